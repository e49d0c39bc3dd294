//! The text of a result as it is written.

/// JSON text that stops growing at its limit: a few bytes of a value can become many, such as a field of NULL, whose
/// name may be sixty characters, and the name's escapes six times as long.
pub(super) struct Json {
    text: String,
    limit_bytes: usize,
    full: bool,
}

impl Json {
    pub fn new(limit_bytes: usize) -> Self {
        Json {
            text: String::new(),
            limit_bytes,
            full: false,
        }
    }

    /// Appends, unless that makes it too large. What comes after is of no use then.
    pub fn push_str(&mut self, text: &str) {
        if text.len() <= self.limit_bytes - self.text.len() {
            self.text.push_str(text);
        } else {
            self.full = true;
        }
    }

    pub fn push(&mut self, ascii: char) {
        self.push_str(ascii.encode_utf8(&mut [0; 4]));
    }

    /// Makes room for so many bytes, where they can be taken.
    pub fn reserve(&mut self, bytes: usize) {
        if bytes <= self.limit_bytes - self.text.len() {
            self.text.reserve(bytes);
        }
    }

    /// Whether something was left out.
    pub fn is_full(&self) -> bool {
        self.full
    }

    #[cfg(test)]
    pub fn written(&self) -> usize {
        self.text.len()
    }

    /// The text, if it is whole.
    pub fn finish(self) -> Option<String> {
        (!self.full).then_some(self.text)
    }
}

impl std::fmt::Write for Json {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push_str(text);
        Ok(())
    }
}
