//! One flag of a tool, and the flags that many tools share.

/// A flag: a row of a tool's part of the table. Built with the functions below, in constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Without the dashes.
    pub name: &'static str,
    /// The one-letter form, for tools with argparse's manners and our own.
    pub short: Option<char>,
    /// Whether a value follows.
    pub value: Value,
    /// Whether it has to be given, and who says so.
    pub need: Need,
    /// Whether it may be given more than once.
    pub repeats: bool,
    /// What splits one value into several, as `,` in `--delete-config a,b`.
    pub separator: Option<char>,
    /// What holds when it is not given.
    pub default: Option<&'static str>,
    /// What it means: sentences without Kafka's words.
    pub about: &'static str,
    /// Why it should not be used any more, and what to use.
    pub deprecated: Option<&'static str>,
}

/// Whether a value follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// None does.
    No,
    /// One does.
    One(Kind, &'static str),
    /// One may.
    Maybe(Kind, &'static str),
    /// One or more do (argparse's `nargs("+")`).
    Many(&'static str),
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text, with what completes it.
    Text(Hint),
    /// A 32-bit number.
    Int,
    /// A 64-bit number.
    Long,
    /// A number with a fraction.
    Double,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What a shell may offer for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    Nothing,
    /// Files.
    File,
    /// Directories.
    Directory,
    /// HOST:PORT.
    Host,
}

/// Whether a flag has to be given, and who says so in which words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It may be left out.
    Optional,
    /// The parser insists.
    Parser,
    /// The tool insists, after its other checks (see [`super::check::required`]); here for `--help`.
    Tool,
}

impl Flag {
    const fn new(name: &'static str, value: Value, about: &'static str) -> Flag {
        Flag {
            name,
            short: None,
            value,
            need: Need::Optional,
            repeats: false,
            separator: None,
            default: None,
            about,
            deprecated: None,
        }
    }

    /// A flag without a value.
    pub const fn switch(name: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Value::No, about)
    }

    /// A flag with a text.
    pub const fn text(name: &'static str, what: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Value::One(Kind::Text(Hint::Nothing), what), about)
    }

    /// A flag with a path of a file.
    pub const fn file(name: &'static str, what: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Value::One(Kind::Text(Hint::File), what), about)
    }

    /// A flag with a path of a directory.
    pub const fn directory(name: &'static str, what: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Value::One(Kind::Text(Hint::Directory), what), about)
    }

    /// A flag with a 32-bit number.
    pub const fn int(name: &'static str, what: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Value::One(Kind::Int, what), about)
    }

    /// A flag with a 64-bit number.
    pub const fn long(name: &'static str, what: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Value::One(Kind::Long, what), about)
    }

    /// A flag with a number that may have a fraction.
    pub const fn double(name: &'static str, what: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Value::One(Kind::Double, what), about)
    }

    /// A flag with one of these words.
    pub const fn choice(
        name: &'static str,
        what: &'static str,
        words: &'static [&'static str],
        about: &'static str,
    ) -> Flag {
        Flag::new(name, Value::One(Kind::Choice(words), what), about)
    }

    /// A flag with one or more values.
    pub const fn many(name: &'static str, what: &'static str, about: &'static str) -> Flag {
        Flag::new(name, Value::Many(what), about)
    }

    /// Its value may be left out.
    pub const fn value_optional(mut self) -> Flag {
        if let Value::One(kind, what) = self.value {
            self.value = Value::Maybe(kind, what);
        }
        self
    }

    /// The one-letter form.
    pub const fn short(mut self, letter: char) -> Flag {
        self.short = Some(letter);
        self
    }

    /// It may be given more than once.
    pub const fn repeated(mut self) -> Flag {
        self.repeats = true;
        self
    }

    /// One value may hold several.
    pub const fn split_at(mut self, separator: char) -> Flag {
        self.separator = Some(separator);
        self.repeats = true;
        self
    }

    /// The parser insists on it.
    pub const fn required(mut self) -> Flag {
        self.need = Need::Parser;
        self
    }

    /// The tool insists on it, in its own order of checks.
    pub const fn required_by_tool(mut self) -> Flag {
        self.need = Need::Tool;
        self
    }

    /// What holds when it is not given.
    pub const fn default(mut self, value: &'static str) -> Flag {
        self.default = Some(value);
        self
    }

    /// It goes one day; what to use instead.
    pub const fn deprecated(mut self, instead: &'static str) -> Flag {
        self.deprecated = Some(instead);
        self
    }

    /// What stands for its value in `--help`.
    pub fn placeholder(&self) -> Option<&'static str> {
        match self.value {
            Value::No => None,
            Value::One(_, what) | Value::Maybe(_, what) | Value::Many(what) => Some(what),
        }
    }
}

/// `--bootstrap-server` of a tool that insists on it.
pub const BOOTSTRAP_SERVER: Flag = OPTIONAL_BOOTSTRAP_SERVER.required();

/// `--bootstrap-server` of a tool that checks for itself, or can do without.
pub const OPTIONAL_BOOTSTRAP_SERVER: Flag = Flag {
    value: Value::One(Kind::Text(Hint::Host), "HOST:PORT"),
    ..Flag::text(
        "bootstrap-server",
        "HOST:PORT",
        "Brokers to ask first, as `host:port,host:port`. One that answers is enough: it names the others",
    )
};

/// `--bootstrap-controller`.
pub const BOOTSTRAP_CONTROLLER: Flag = Flag {
    value: Value::One(Kind::Text(Hint::Host), "HOST:PORT"),
    ..Flag::text(
        "bootstrap-controller",
        "HOST:PORT",
        "Controllers to ask instead of brokers, as `host:port,host:port`",
    )
};

/// `--command-config`.
pub const COMMAND_CONFIG: Flag = Flag::file(
    "command-config",
    "FILE",
    "Settings of the client, one `key=value` a line, such as `request.timeout.ms=5000`",
);

/// `--json`, which every tool has.
pub const JSON: Flag = Flag::switch(
    "json",
    "Print JSON instead of Kafka's text: data on stdout, an error as one object on stderr",
);
