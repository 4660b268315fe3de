//! Values that stand in a message: structs and elements of arrays.

use crate::{DecodeError, EncodeError, Reader, Uuid, Writer};

/// A value with a place on the wire. Messages themselves go through [`crate::Message`], which checks the version first.
pub trait Wire: Sized {
    /// Fewest bytes that a value takes in any version, at least 1: bounds what an array's length can claim.
    const MIN_SIZE: usize;

    /// Reads a value as `version` of its message has it.
    fn read(r: &mut Reader, flexible: bool, version: i16) -> Result<Self, DecodeError>;

    /// Writes a value as `version` of its message has it.
    fn write(&self, w: &mut Writer, flexible: bool, version: i16) -> Result<(), EncodeError>;
}

macro_rules! fixed_size {
    ($($type:ident $method:ident)*) => {$(
        impl Wire for $type {
            const MIN_SIZE: usize = size_of::<$type>();

            #[inline]
            fn read(r: &mut Reader, _: bool, _: i16) -> Result<Self, DecodeError> {
                r.$method()
            }

            #[inline]
            fn write(&self, w: &mut Writer, _: bool, _: i16) -> Result<(), EncodeError> {
                w.$method(*self);
                Ok(())
            }
        }
    )*};
}

fixed_size! { i8 i8 i16 i16 i32 i32 i64 i64 Uuid uuid }

impl Wire for String {
    const MIN_SIZE: usize = 1;

    fn read(r: &mut Reader, flexible: bool, _: i16) -> Result<Self, DecodeError> {
        r.string(flexible)
    }

    fn write(&self, w: &mut Writer, flexible: bool, _: i16) -> Result<(), EncodeError> {
        w.string(flexible, self)
    }
}
