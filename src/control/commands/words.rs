//! A line as words.

use crate::control::socket::json::Json;

/// The commands whose last word is code, and goes to the end of the line.
const TAKES_CODE: [&str; 1] = ["eval"];

/// At least one word.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::control) struct Words {
    words: Vec<String>,
    text: String,
    /// A line, not words that were separated already.
    is_line: bool,
    /// Where each word begins in the text.
    starts: Vec<usize>,
}

impl Words {
    /// Words are what spaces separate; `"…"` is one word, in which `\"` and `\\` stand
    /// for themselves and `\n`, `\t` for a new line and a tabulator. In code quotes mean
    /// what they mean there.
    pub(in crate::control) fn parse(line: &str) -> Result<Self, String> {
        let mut words: Vec<String> = Vec::new();
        let mut starts = Vec::new();
        let mut characters = line.char_indices().peekable();
        while let Some((start, first)) = characters.next() {
            if first.is_whitespace() {
                continue;
            }
            starts.push(start);
            if let [command, options @ ..] = words.as_slice()
                && TAKES_CODE.contains(&command.as_str())
                && options.iter().all(|option| option.starts_with("--"))
                && !line[start..].starts_with("--")
            {
                words.push(line[start..].trim_end().to_owned());
                break;
            }
            let mut word = String::new();
            if first == '"' {
                loop {
                    match characters.next() {
                        Some((_, '"')) => break,
                        Some((_, '\\')) => match characters.next() {
                            Some((_, 'n')) => word.push('\n'),
                            Some((_, 't')) => word.push('\t'),
                            Some((_, c @ ('"' | '\\'))) => word.push(c),
                            Some((_, c)) => word.extend(['\\', c]),
                            None => return Err("a `\"` has no end".to_owned()),
                        },
                        Some((_, c)) => word.push(c),
                        None => return Err("a `\"` has no end".to_owned()),
                    }
                }
            } else {
                word.push(first);
                while let Some((_, c)) = characters.next_if(|(_, c)| !c.is_whitespace()) {
                    word.push(c);
                }
            }
            words.push(word);
        }
        if words.is_empty() {
            return Err("a command is missing; `help` lists them".to_owned());
        }
        let text = line.to_owned();
        Ok(Self {
            words,
            text,
            is_line: true,
            starts,
        })
    }

    /// The words as they are: at least one.
    pub(in crate::control) fn of(words: Vec<String>) -> Self {
        let mut text = String::new();
        let mut starts = Vec::new();
        for word in &words {
            if !text.is_empty() {
                text.push(' ');
            }
            starts.push(text.len());
            text.push_str(word);
        }
        Self {
            words,
            text,
            is_line: false,
            starts,
        }
    }

    /// The same as a request in JSON.
    pub(in crate::control) fn as_request(&self) -> Json {
        if self.is_line {
            return Json::object([("line", Json::text(&self.text))]);
        }
        let args = Json::texts(self.words.iter().skip(1).cloned());
        Json::object([("command", Json::text(self.first())), ("args", args)])
    }

    /// The command.
    pub(super) fn first(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub(super) fn get(&self, n: usize) -> Option<&str> {
        self.words.get(n).map(String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// The line from the `n`th word on, as it was written.
    pub(super) fn rest(&self, n: usize) -> &str {
        let start = self.starts.get(n).copied();
        start.map_or("", |start| self.text[start..].trim_end())
    }

    /// The same, without its quotes if it is one word.
    pub(super) fn value(&self, n: usize) -> &str {
        match self.get(n) {
            Some(only) if self.len() == n + 1 => only,
            _ => self.rest(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_make_one_word_and_a_value_may_go_without() {
        let words = Words::parse("set  MESSAGE \"good \\\"evening\\\"\\n\"  ").unwrap();
        assert_eq!(
            words.iter().collect::<Vec<_>>(),
            ["set", "MESSAGE", "good \"evening\"\n"]
        );
        assert_eq!(words.value(2), "good \"evening\"\n");
        let words = Words::parse("set MESSAGE it's  a `b` ").unwrap();
        assert_eq!(words.value(2), "it's  a `b`");
        assert_eq!(words.rest(7), "");
        assert_eq!(Words::parse("set MESSAGE \"\"").unwrap().value(2), "");
        assert!(Words::parse("set MESSAGE \"half").is_err());
        assert!(Words::parse("set MESSAGE \"half\\").is_err());
        assert!(Words::parse(" ").is_err());
        let words = Words::parse("eval --write  fn f() { g( \"a\" ,'\"') } ").unwrap();
        assert_eq!(
            words.iter().collect::<Vec<_>>(),
            ["eval", "--write", "fn f() { g( \"a\" ,'\"') }"]
        );
        let words = Words::of(["set", "M", " a b "].map(str::to_owned).to_vec());
        assert_eq!(words.value(2), " a b ");
    }
}
