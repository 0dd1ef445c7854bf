//! JSON as RFC 8259 has it, read by a plain descent.

/// A value. What JSON allows but no type can hold is [`Damaged`](Self::Damaged).
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(Name, Self)>),
    /// Half a surrogate, bytes in a string that aren't UTF-8, a number out of range.
    Damaged,
}

/// The name of a member; `None` if it is damaged.
pub(crate) type Name = Option<String>;

/// The one value of a text, if it is JSON.
pub(crate) fn read(text: &[u8]) -> Option<Json> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value()?;
    reader.peek().is_none().then_some(value)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that isn't white space, which stays there.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes the text if it comes next.
    fn eat(&mut self, text: &str) -> bool {
        let is_next = self.text[self.at..].starts_with(text.as_bytes());
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    fn value(&mut self) -> Option<Json> {
        match self.peek()? {
            b'n' if self.eat("null") => Some(Json::Null),
            b't' if self.eat("true") => Some(Json::Bool(true)),
            b'f' if self.eat("false") => Some(Json::Bool(false)),
            b'"' => Some(self.text()?.map_or(Json::Damaged, Json::Text)),
            b'[' => self.list(),
            b'{' => self.object(),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn list(&mut self) -> Option<Json> {
        let mut list = Vec::new();
        self.next();
        if self.peek()? == b']' {
            self.next();
            return Some(Json::List(list));
        }
        loop {
            list.push(self.value()?);
            match (self.peek()?, self.next()) {
                (b',', _) => {}
                (b']', _) => return Some(Json::List(list)),
                _ => return None,
            }
        }
    }

    fn object(&mut self) -> Option<Json> {
        let mut members = Vec::new();
        self.next();
        if self.peek()? == b'}' {
            self.next();
            return Some(Json::Object(members));
        }
        loop {
            if self.peek()? != b'"' {
                return None;
            }
            let name = self.text()?;
            if self.peek()? != b':' {
                return None;
            }
            self.next();
            members.push((name, self.value()?));
            match (self.peek()?, self.next()) {
                (b',', _) => {}
                (b'}', _) => return Some(Json::Object(members)),
                _ => return None,
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        self.eat("-");
        if !self.eat("0") {
            self.digits()?;
        }
        if self.eat(".") {
            self.digits()?;
        }
        if self.eat("e") || self.eat("E") {
            let _signed = self.eat("+") || self.eat("-");
            self.digits()?;
        }
        let number: f64 = std::str::from_utf8(&self.text[start..self.at])
            .ok()?
            .parse()
            .ok()?;
        Some(match number.is_finite() {
            true => Json::Number(number),
            false => Json::Damaged,
        })
    }

    /// The inner `None` is a text that no type can hold.
    fn text(&mut self) -> Option<Option<String>> {
        let mut bytes = Vec::new();
        let mut is_whole = true;
        self.next();
        loop {
            match self.next()? {
                b'"' => break,
                0..0x20 => return None,
                b'\\' => match self.escape()? {
                    Some(char) => bytes.extend(char.to_string().bytes()),
                    None => is_whole = false,
                },
                byte => bytes.push(byte),
            }
        }
        Some(String::from_utf8(bytes).ok().filter(|_| is_whole))
    }

    /// The inner `None` is half a surrogate.
    fn escape(&mut self) -> Option<Option<char>> {
        Some(Some(match self.next()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut units = vec![self.unit()?];
                if let 0xd800..0xdc00 = units[0] {
                    if self.eat("\\u") {
                        units.push(self.unit()?);
                    }
                }
                let text = String::from_utf16(&units).ok();
                return Some(text.and_then(|text| text.chars().next()));
            }
            _ => return None,
        }))
    }

    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        let mut unit = 0;
        for digit in digits {
            unit = 16 * unit + char::from(*digit).to_digit(16)?;
        }
        u16::try_from(unit).ok()
    }
}
