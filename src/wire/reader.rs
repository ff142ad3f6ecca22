//! Reads values from the front of a body, never past its end.

use super::DecodeError;

/// A cursor over borrowed bytes. Integers are big-endian; a varint is that of QUIC (RFC 9000, section 16).
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the first of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Number of bytes not yet read.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `length` bytes; [`DecodeError::Truncated`] if fewer are left.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes; [`DecodeError::Truncated`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = tail;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A varint of 1, 2, 4 or 8 bytes; the first two bits give its length.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let first = *self.rest.first().ok_or(DecodeError::Truncated)?;
        let length = 1usize << (first >> 6);
        let bytes = self.take(length)?;
        let head = u64::from(first & 0x3f);
        Ok(bytes[1..].iter().fold(head, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// A text: its length as `u16`, then UTF-8. `what` names it in the error if it is longer than `limit` bytes.
    pub fn text(&mut self, what: &'static str, limit: usize) -> Result<&'a str, DecodeError> {
        let length = usize::from(self.u16()?);
        if length > limit {
            return Err(DecodeError::Oversize { what, limit: limit as u64 });
        }
        std::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::NotText)
    }

    /// All bytes not yet read.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Returns `value` if every byte was read, else [`DecodeError::Trailing`].
    pub fn finish<T>(self, value: T) -> Result<T, DecodeError> {
        if self.rest.is_empty() { Ok(value) } else { Err(DecodeError::Trailing) }
    }
}
