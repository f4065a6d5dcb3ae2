//! A reader of requests that forgives nothing: what two servers could read differently is an error.

use std::io;

use crate::stream::Stream;

/// A request as a strict server understood it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Understood {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// The value of the one `Host` field.
    pub host: String,
    /// Every field line in order, names in lower case, values without white space around them.
    pub fields: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// The lines after the last chunk, in the same form as `fields`.
    pub trailers: Vec<(String, String)>,
}

impl Understood {
    /// The values of all field lines of that name, which is in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The value of the first field line of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// Reads a request head and its body.
    ///
    /// # Errors
    /// `InvalidData` for whatever RFC 9112 does not let a sender send; those of the stream.
    pub(crate) fn read(stream: &mut Stream) -> io::Result<Understood> {
        let line = line(stream)?;
        let words: Vec<&str> = line.split(' ').collect();
        let [method, target, "HTTP/1.1"] = words.as_slice() else { return Err(wrong("request line", &line)) };
        if !is_token(method) || target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("request line", &line));
        }
        let mut request = Understood { method: (*method).into(), target: (*target).into(), ..Understood::default() };
        request.fields = fields(stream)?;
        let one = |name| {
            let values: Vec<&str> = request.all(name).collect();
            match values.as_slice() {
                [] => Ok(None),
                [value] => Ok(Some((*value).to_owned())),
                _ => Err(wrong("fields of one name", &values.join(" and "))),
            }
        };
        let (length, coding) = (one("content-length")?, one("transfer-encoding")?);
        let host = one("host")?.ok_or_else(|| wrong("head without Host", &line))?;
        request.host = host;
        match (length, coding) {
            (None, None) => {}
            (Some(length), None) => request.body = stream.take(digits(&length, 10)?)?,
            (None, Some(coding)) if coding == "chunked" => {
                request.body = chunks(stream)?;
                request.trailers = fields(stream)?;
            }
            (length, coding) => return Err(wrong("framing", &format!("{length:?} and {coding:?}"))),
        }
        Ok(request)
    }
}

/// A line without its end, and without control bytes in it.
fn line(stream: &mut Stream) -> io::Result<String> {
    let bytes = stream.take_through(b"\n")?;
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    match text.strip_suffix("\r\n") {
        Some(line) if line.chars().all(|c| c == '\t' || !c.is_control() || c > '\u{7f}') => Ok(line.to_owned()),
        _ => Err(wrong("line", &text)),
    }
}

/// Field lines up to an empty one.
fn fields(stream: &mut Stream) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            return Ok(fields);
        }
        match line.split_once(':') {
            Some((name, value)) if is_token(name) => {
                fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
            }
            _ => return Err(wrong("field line", &line)),
        }
    }
}

/// The data of all chunks; what follows the last one's line is left.
fn chunks(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = digits(&line(stream)?, 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend(stream.take(size)?);
        let end = stream.take(2)?;
        if end != b"\r\n" {
            return Err(wrong("end of a chunk", &String::from_utf8_lossy(&end)));
        }
    }
}

fn digits(text: &str, radix: u32) -> io::Result<usize> {
    if text.is_empty() || !text.chars().all(|c| c.is_digit(radix)) {
        return Err(wrong("number", text));
    }
    usize::from_str_radix(text, radix).map_err(|_| wrong("number", text))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn wrong(what: &str, found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a strict server refuses this {what}: {found:?}"))
}

#[cfg(test)]
mod tests;
