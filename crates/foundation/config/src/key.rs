//! What is known of one configuration key, and the builder its tables are written with.

use crate::validator::Validator;
use crate::value::{InvalidValue, Value};

/// Type of a value, as Kafka's `ConfigDef.Type`; the codes are those of DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false` in any case.
    Boolean = 1,
    /// Any text.
    String = 2,
    /// 32 bit integer.
    Int = 3,
    /// 16 bit integer.
    Short = 4,
    /// 64 bit integer.
    Long = 5,
    /// Floating point number.
    Double = 6,
    /// Texts separated by commas.
    List = 7,
    /// Name of a Java class.
    Class = 8,
    /// Text that is never shown.
    Password = 9,
}

impl ConfigType {
    /// Code in DescribeConfigs replies; 0 there means unknown.
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// Name as Kafka prints it.
    pub const fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }
}

/// Value of a key that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// There is none: the key must be set.
    Required,
    /// Unset, Java's null.
    Null,
    /// The value as one would write it.
    Text(&'static str),
}

/// How much a key matters to who runs the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Look at it.
    High,
    /// Know of it.
    Medium,
    /// For special cases.
    Low,
}

/// Where a broker key may change while the node runs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Only in the file, at start.
    ReadOnly,
    /// For one broker, not for all at once.
    PerBroker,
    /// For one broker or for all.
    ClusterWide,
}

/// What setting a key does in Klamm today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what it says.
    Effective,
    /// It asks for what is not there yet, so the node refuses to start rather than run without it.
    Refused,
    /// It is taken and does nothing; see [`crate::no_effect_yet`].
    NotYet,
}

/// A broker key that gives a topic or group key its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSynonym {
    /// Name of the broker key.
    pub name: &'static str,
    /// What its value is multiplied by, to make milliseconds of minutes or hours.
    pub factor: i64,
}

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct ConfigKey {
    /// Name as in files and requests.
    pub name: &'static str,
    /// Type of its value.
    pub config_type: ConfigType,
    /// Value when it is not set.
    pub default: DefaultValue,
    /// Which values of the type are allowed.
    pub validator: Validator,
    /// How much it matters.
    pub importance: Importance,
    /// Where it may change at run time (broker keys).
    pub scope: Scope,
    /// Whether Kafka keeps it out of its documentation and DescribeConfigs.
    pub internal: bool,
    /// Whether Kafka means to drop it.
    pub deprecated: bool,
    /// Broker keys that give the default, the first that is set wins (topic and group keys).
    pub server_synonyms: &'static [ServerSynonym],
    /// What setting it does in Klamm.
    pub effect: Effect,
    /// What it is for, in a line.
    pub doc: &'static str,
}

impl ConfigKey {
    /// Reads `text` as a value of this key.
    ///
    /// # Errors
    /// When the text is not of the key's type or not among its allowed values.
    pub fn parse(&self, text: &str) -> Result<Value, InvalidValue> {
        let mut value = Value::parse(self.config_type, self.name, text)?;
        if let (Value::List(items), Validator::List { .. }) = (&mut value, &self.validator) {
            keep_first_of_equals(items);
        }
        self.validator.check(self.name, &value)?;
        Ok(value)
    }

    /// The default as a value; `None` when the key is required or unset by default.
    ///
    /// # Panics
    /// When the table holds a default that is not of the key's type, which a test excludes.
    pub fn default_value(&self) -> Option<Value> {
        match self.default {
            DefaultValue::Required | DefaultValue::Null => None,
            DefaultValue::Text(text) => {
                Some(Value::parse(self.config_type, self.name, text).expect("a test parses every default"))
            }
        }
    }

    /// Whether the value is never shown.
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.config_type, ConfigType::Password)
    }

    /// Whether Apache Kafka has no such key.
    pub(crate) fn is_ours(&self) -> bool {
        self.name.starts_with("klamm.")
    }

    /// The allowed values in words, for messages and the reference.
    pub fn allowed(&self) -> String {
        let of_type = match self.config_type {
            ConfigType::Boolean => "`true` or `false`",
            ConfigType::Int => "a whole number from -2147483648 to 2147483647",
            ConfigType::Short => "a whole number from -32768 to 32767",
            ConfigType::Long => "a whole number of 64 bits",
            ConfigType::Double => "a number",
            ConfigType::List => "a list separated by commas",
            ConfigType::String | ConfigType::Password => "any text",
            ConfigType::Class => "the name of a class",
        };
        self.validator.in_words().unwrap_or_else(|| of_type.to_string())
    }
}

fn keep_first_of_equals(items: &mut Vec<String>) {
    let mut kept: Vec<String> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    *items = kept;
}

const fn key(name: &'static str, config_type: ConfigType, importance: Importance) -> ConfigKey {
    ConfigKey {
        name,
        config_type,
        default: DefaultValue::Null,
        validator: Validator::Any,
        importance,
        scope: Scope::ReadOnly,
        internal: false,
        deprecated: false,
        server_synonyms: &[],
        effect: Effect::NotYet,
        doc: "",
    }
}

pub(crate) const fn boolean(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::Boolean, importance)
}
pub(crate) const fn string(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::String, importance)
}
pub(crate) const fn int(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::Int, importance)
}
pub(crate) const fn short(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::Short, importance)
}
pub(crate) const fn long(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::Long, importance)
}
pub(crate) const fn double(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::Double, importance)
}
pub(crate) const fn list(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::List, importance)
}
pub(crate) const fn class(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::Class, importance)
}
pub(crate) const fn password(name: &'static str, importance: Importance) -> ConfigKey {
    key(name, ConfigType::Password, importance)
}

pub(crate) const fn same(name: &'static str) -> ServerSynonym {
    ServerSynonym { name, factor: 1 }
}
pub(crate) const fn minutes(name: &'static str) -> ServerSynonym {
    ServerSynonym {
        name,
        factor: 60 * 1000,
    }
}
pub(crate) const fn hours(name: &'static str) -> ServerSynonym {
    ServerSynonym {
        name,
        factor: 60 * 60 * 1000,
    }
}

impl ConfigKey {
    pub(crate) const fn required(mut self) -> Self {
        self.default = DefaultValue::Required;
        self
    }
    pub(crate) const fn default(mut self, text: &'static str) -> Self {
        self.default = DefaultValue::Text(text);
        self
    }
    pub(crate) const fn validator(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }
    pub(crate) const fn at_least(self, min: i64) -> Self {
        self.validator(Validator::AtLeast(min))
    }
    pub(crate) const fn between(self, min: f64, max: f64) -> Self {
        self.validator(Validator::Between(min, max))
    }
    pub(crate) const fn one_of(self, allowed: &'static [&'static str]) -> Self {
        self.validator(Validator::OneOf(allowed))
    }
    pub(crate) const fn one_of_ignoring_case(self, allowed: &'static [&'static str]) -> Self {
        self.validator(Validator::OneOfIgnoringCase(allowed))
    }
    pub(crate) const fn each_of(self, allowed: &'static [&'static str]) -> Self {
        self.validator(Validator::List {
            allowed,
            may_be_empty: true,
        })
    }
    pub(crate) const fn distinct(self) -> Self {
        self.validator(Validator::List {
            allowed: &[],
            may_be_empty: true,
        })
    }
    pub(crate) const fn not_empty(mut self) -> Self {
        if let Validator::List { allowed, .. } = self.validator {
            self.validator = Validator::List {
                allowed,
                may_be_empty: false,
            };
        }
        self
    }
    pub(crate) const fn per_broker(mut self) -> Self {
        self.scope = Scope::PerBroker;
        self
    }
    pub(crate) const fn cluster_wide(mut self) -> Self {
        self.scope = Scope::ClusterWide;
        self
    }
    pub(crate) const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }
    pub(crate) const fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }
    pub(crate) const fn server(mut self, synonyms: &'static [ServerSynonym]) -> Self {
        self.server_synonyms = synonyms;
        self
    }
    pub(crate) const fn effective(mut self) -> Self {
        self.effect = Effect::Effective;
        self
    }
    pub(crate) const fn refused(mut self) -> Self {
        self.effect = Effect::Refused;
        self
    }
    pub(crate) const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}
