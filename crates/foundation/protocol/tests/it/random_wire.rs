//! Random messages, written straight from the schema: an encoder that shares no code with the generated one.

use crate::generator::schema::{Field, Message, Struct, Type};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Tag of the unknown field that makes a tagged struct differ from its default.
const UNKNOWN_TAG: u32 = 77;

/// A random message of a version as its bytes: canonical ones, so that writing it again gives the same.
pub(crate) fn random_message(message: &Message, version: i16, random: &mut Random) -> Vec<u8> {
    let mut wire = Wire {
        message,
        version,
        flexible: message.flexible.contains(version),
        random,
        out: Vec::new(),
    };
    wire.structure(&message.structs[0], false);
    wire.out
}

struct Wire<'a> {
    message: &'a Message,
    version: i16,
    flexible: bool,
    random: &'a mut Random,
    out: Vec<u8>,
}

impl Wire<'_> {
    fn structure(&mut self, one: &Struct, not_default: bool) {
        let version = self.version;
        let present = || one.fields.iter().filter(move |field| field.versions.contains(version));
        for field in present().filter(|field| field.tag.is_none()) {
            let nullable = field.null.contains(version);
            let null = nullable && self.random.below(4) == 0;
            self.value(field, null, nullable);
        }
        if !self.flexible {
            return;
        }
        let mut tags: Vec<(u32, Vec<u8>)> = Vec::new();
        for field in present() {
            if let Some(tag) = field.tag.filter(|_| self.random.below(2) == 0) {
                tags.push((tag, self.tagged(field)));
            }
        }
        if not_default || self.random.below(8) == 0 {
            let data = self.random_bytes();
            tags.push((UNKNOWN_TAG, data));
        }
        tags.sort();
        self.varint(tags.len() as u32);
        for (tag, data) in tags {
            self.varint(tag);
            self.varint(data.len() as u32);
            self.out.extend(data);
        }
    }

    /// The value of a tagged field; never its default, which would not be written.
    fn tagged(&mut self, field: &Field) -> Vec<u8> {
        let outer = std::mem::take(&mut self.out);
        let nullable = field.null.contains(self.version);
        let null_is_default = field.default.as_deref() == Some("null");
        if nullable && !null_is_default && self.random.below(3) == 0 {
            self.varint(0);
        } else {
            match (&field.ty, &field.default) {
                (Type::Struct(name), _) => {
                    if nullable {
                        self.varint(1);
                    }
                    self.named(name, true);
                }
                (Type::Array(element), _) => self.elements(element, 1),
                (Type::String, _) => self.text(1),
                (Type::Bool, default) => self.out.push(u8::from(default.as_deref() != Some("true"))),
                // 5 is no field's default.
                (Type::I8, _) => self.out.push(5),
                (Type::I16 | Type::ErrorCode, _) => self.out.extend(5i16.to_be_bytes()),
                (Type::I32, _) => self.out.extend(5i32.to_be_bytes()),
                (Type::I64, _) => self.out.extend(5i64.to_be_bytes()),
                (Type::Uuid, _) => self.out.extend([5; 16]),
                (other, _) => panic!("{}: a tagged {other:?}", field.name),
            }
        }
        std::mem::replace(&mut self.out, outer)
    }

    fn value(&mut self, field: &Field, null: bool, nullable: bool) {
        let compact = self.flexible && !field.inflexible;
        match &field.ty {
            Type::Struct(_) if null => self.out.push(0xff),
            Type::String if null && !compact => self.out.extend((-1i16).to_be_bytes()),
            _ if null && compact => self.out.push(0),
            _ if null => self.out.extend((-1i32).to_be_bytes()),
            Type::Struct(name) => {
                if nullable {
                    self.out.push(1);
                }
                self.named(name, false);
            }
            Type::Array(element) => self.elements(element, 0),
            Type::String if compact => self.text(0),
            Type::String => {
                let text = self.random_text(0);
                self.out.extend((text.len() as i16).to_be_bytes());
                self.out.extend(text.as_bytes());
            }
            Type::Bytes | Type::Records => {
                let bytes = self.random_bytes();
                self.length(bytes.len());
                self.out.extend(bytes);
            }
            Type::F64 => self.out.extend((self.random.next() as i32 as f64 / 8.0).to_be_bytes()),
            Type::Bool => self.out.push((self.random.next() & 1) as u8),
            Type::I8 => self.integer(1),
            Type::I16 | Type::U16 | Type::ErrorCode => self.integer(2),
            Type::I32 | Type::U32 => self.integer(4),
            Type::I64 => self.integer(8),
            Type::Uuid => self.integer(16),
        }
    }

    fn named(&mut self, name: &str, not_default: bool) {
        let message = self.message;
        self.structure(message.find(name).expect("declared"), not_default);
    }

    fn elements(&mut self, element: &Type, at_least: usize) {
        let count = at_least + self.random.below(3);
        self.length(count);
        for _ in 0..count {
            match element {
                Type::Struct(name) => self.named(name, false),
                Type::String if self.flexible => self.text(0),
                Type::String => {
                    let text = self.random_text(0);
                    self.out.extend((text.len() as i16).to_be_bytes());
                    self.out.extend(text.as_bytes());
                }
                Type::I8 => self.integer(1),
                Type::I16 => self.integer(2),
                Type::I32 => self.integer(4),
                Type::I64 => self.integer(8),
                Type::Uuid => self.integer(16),
                other => panic!("an array of {other:?}"),
            }
        }
    }

    /// A random number, often one at an edge.
    fn integer(&mut self, size: usize) {
        match self.random.below(4) {
            0 => self.out.extend(vec![0; size]),
            1 => self.out.extend(vec![0xff; size]),
            _ => {
                let bytes: Vec<u8> = std::iter::repeat_with(|| self.random.next() as u8).take(size).collect();
                self.out.extend(bytes);
            }
        }
    }

    fn text(&mut self, at_least: usize) {
        let text = self.random_text(at_least);
        self.varint(text.len() as u32 + 1);
        self.out.extend(text.as_bytes());
    }

    /// Mostly short, sometimes longer than a one-byte varint can say.
    fn random_text(&mut self, at_least: usize) -> String {
        let length = at_least
            + if self.random.below(16) == 0 {
                150
            } else {
                self.random.below(6)
            };
        let letters = ['a', 'Z', '0', 'ü', '水', '🌊'];
        std::iter::repeat_with(|| letters[self.random.below(letters.len())])
            .take(length)
            .collect()
    }

    fn random_bytes(&mut self) -> Vec<u8> {
        let length = if self.random.below(16) == 0 {
            300
        } else {
            self.random.below(9)
        };
        std::iter::repeat_with(|| self.random.next() as u8)
            .take(length)
            .collect()
    }

    /// The length of bytes or of an array.
    fn length(&mut self, length: usize) {
        if self.flexible {
            self.varint(length as u32 + 1)
        } else {
            self.out.extend((length as i32).to_be_bytes())
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
