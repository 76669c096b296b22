//! How a message becomes bytes, and bytes a message.

use std::io::{self, Read, Write};

/// Longer messages are refused.
const LONGEST: u64 = 1 << 28;

/// Sends one message.
///
/// # Errors
///
/// What the socket says.
pub fn send(to: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    message.put(&mut bytes);
    let len = bytes.len() - 4;
    let Some(head) = u32::try_from(len).ok().filter(|_| len as u64 <= LONGEST) else {
        let why = format!("a message of {len} bytes is too long");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    };
    bytes[..4].copy_from_slice(&head.to_le_bytes());
    to.write_all(&bytes)?;
    to.flush()
}

/// Waits for one message.
///
/// # Errors
///
/// What the socket says; [`io::ErrorKind::UnexpectedEof`] if the other half is
/// gone, [`io::ErrorKind::InvalidData`] if what came is no such message.
pub fn receive<M: Message>(from: &mut impl Read) -> io::Result<M> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = u64::from(u32::from_le_bytes(len));
    if len > LONGEST {
        return Err(invalid());
    }
    let mut bytes = Vec::new();
    if from.take(len).read_to_end(&mut bytes)? as u64 != len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut fields = Fields(&bytes);
    let message = M::get(&mut fields).filter(|_| fields.0.is_empty());
    message.ok_or_else(invalid)
}

fn invalid() -> io::Error {
    let why = "not a message of this version of midair; install cargo-midair and the agent anew";
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Something that can be sent.
pub trait Message: Sized {
    /// Appends its fields.
    fn put(&self, bytes: &mut Vec<u8>);
    /// Takes its fields off the front; none if they are not all there.
    fn get(fields: &mut Fields<'_>) -> Option<Self>;
}

/// What is left of a message.
#[derive(Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// All of a message.
    pub(in crate::reload) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

impl Message for u64 {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self::from_le_bytes(fields.take(8)?.try_into().ok()?))
    }
}

/// As a number.
impl Message for i64 {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.cast_unsigned().put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(u64::get(fields)?.cast_signed())
    }
}

/// As a number.
impl Message for bool {
    fn put(&self, bytes: &mut Vec<u8>) {
        u64::from(*self).put(bytes);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        Some(u64::get(fields)? != 0)
    }
}

/// As it is.
impl Message for u8 {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push(*self);
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        fields.take(1)?.first().copied()
    }
}

impl Message for String {
    fn put(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).put(bytes);
        bytes.extend(self.as_bytes());
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        let len = usize::try_from(u64::get(fields)?).ok()?;
        Self::from_utf8(fields.take(len)?.to_vec()).ok()
    }
}

impl<M: Message> Message for Vec<M> {
    fn put(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).put(bytes);
        self.iter().for_each(|item| item.put(bytes));
    }

    fn get(fields: &mut Fields<'_>) -> Option<Self> {
        let len = u64::get(fields)?;
        // Each takes a byte at least, so this is no way to ask for memory.
        (0..len).map(|_| M::get(fields)).collect()
    }
}

/// Messages that are their fields, in this order. Needs `Message` and `Fields` in scope.
macro_rules! fields {
    ($($message:ident { $($field:ident),* $(,)? })*) => {$(
        impl Message for $message {
            fn put(&self, bytes: &mut Vec<u8>) {
                $(Message::put(&self.$field, bytes);)*
            }

            fn get(fields: &mut Fields<'_>) -> Option<Self> {
                Some(Self {
                    $($field: Message::get(fields)?,)*
                })
            }
        }
    )*};
}

/// Messages that are one of several: its number, and what it has. Needs the same.
macro_rules! choices {
    ($($message:ident {
        $($number:literal => $choice:ident
            $(($content:ident))? $({ $($field:ident),* })?,)*
    })*) => {$(
        impl Message for $message {
            fn put(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$choice $(($content))? $({ $($field),* })? => {
                        u64::put(&$number, bytes);
                        $($content.put(bytes);)?
                        $($($field.put(bytes);)*)?
                    })*
                }
            }

            fn get(fields: &mut Fields<'_>) -> Option<Self> {
                Some(match u64::get(fields)? {
                    $($number => {
                        $(let $content = Message::get(fields)?;)?
                        $($(let $field = Message::get(fields)?;)*)?
                        Self::$choice $(($content))? $({ $($field),* })?
                    })*
                    _ => return None,
                })
            }
        }
    )*};
}

pub(super) use {choices, fields};
