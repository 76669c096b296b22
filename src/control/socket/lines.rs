//! Lines of limited length from anything that can be read.

use std::io::{self, BufRead, BufReader, Read};

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end.
    Whole(Vec<u8>),
    /// More than the limit without an end; what is left of it is passed over.
    TooLong,
    /// The last bytes, which have no end: perhaps half a command.
    Unfinished,
    /// No more.
    End,
}

pub(super) struct Lines<R> {
    input: BufReader<R>,
    limit: usize,
    /// In a line that is too long.
    skipping: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self {
            input: BufReader::new(input),
            limit,
            skipping: false,
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Line> {
        let mut line = Vec::new();
        loop {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if bytes.is_empty() {
                let is_half = !line.is_empty() && !self.skipping;
                return Ok(if is_half { Line::Unfinished } else { Line::End });
            }
            let end = memchr::memchr(b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let used = part.len() + usize::from(end.is_some());
            let was_skipping = self.skipping;
            let too_long = line.len() + part.len() > self.limit;
            if !was_skipping && !too_long {
                line.extend_from_slice(part);
            }
            self.input.consume(used);
            self.skipping = end.is_none() && (was_skipping || too_long);
            if was_skipping {
                continue;
            }
            if too_long {
                return Ok(Line::TooLong);
            }
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Line::Whole(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(buffer.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = b"one\r\n\n0123456789\n01234567890\ntwo\n0123456789012345678901234567\nhalf";
        for drop in [1, 2, 3, 7, 100] {
            let mut lines = Lines::new(Drops(text, drop), 10);
            let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
            let expected = [
                whole("one"),
                whole(""),
                whole("0123456789"),
                Line::TooLong,
                whole("two"),
                Line::TooLong,
                Line::Unfinished,
                Line::End,
            ];
            for line in expected {
                assert_eq!(lines.next().unwrap(), line, "{drop} bytes at a time");
            }
        }
    }

    #[test]
    fn an_endless_line_is_told_once_and_kept_nowhere() {
        let mut lines = Lines::new(io::repeat(b'a').take(50_000_000), 1000);
        assert_eq!(lines.next().unwrap(), Line::TooLong);
        assert_eq!(lines.next().unwrap(), Line::End);
    }
}
