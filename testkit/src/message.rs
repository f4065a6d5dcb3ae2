//! HTTP/1 messages as they came over the wire.

use std::io;

use crate::stream::Stream;

/// The field lines of a head or a trailer, in the order and the spelling of the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Every field line. Bytes above 127 are shown as the characters of that number.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of the first field line of that name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The values of all field lines of that name, in any case.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = name.to_owned();
        self.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(&name)).map(|(_, value)| value)
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    }

    fn content_length(&self) -> io::Result<Option<usize>> {
        self.get("content-length")
            .map(|value| value.parse().map_err(|_| malformed("Content-Length", value)))
            .transpose()
    }
}

/// A request as a [`crate::Server`] received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For instance `GET`.
    pub method: String,
    /// For instance `/cable?x=1`.
    pub target: String,
    /// For instance `HTTP/1.1`.
    pub version: String,
    /// The header.
    pub headers: Fields,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of the first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Reads a head alone; the body stays empty.
    pub(crate) fn read_head(stream: &mut Stream) -> io::Result<Request> {
        let (line, headers) = read_head(stream)?;
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(malformed("request line", &line));
        };
        Ok(Request { method, target, version, headers, body: Vec::new() })
    }

    /// Reads a head and its body.
    pub(crate) fn read(stream: &mut Stream) -> io::Result<Request> {
        let mut request = Request::read_head(stream)?;
        if request.headers.has_token("transfer-encoding", "chunked") {
            request.body = read_chunked(stream)?.0;
        } else if let Some(length) = request.headers.content_length()? {
            request.body = stream.take(length)?;
        }
        Ok(request)
    }
}

/// A response as a [`crate::Client`] received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// For instance `HTTP/1.1`.
    pub version: String,
    /// For instance 200.
    pub status: u16,
    /// For instance `OK`; may be empty.
    pub reason: String,
    /// The header.
    pub headers: Fields,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// What followed the last chunk.
    pub trailers: Fields,
}

impl Response {
    /// The value of the first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text, with a replacement character for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> crate::Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is no JSON: {error}\n{}", self.text()))
    }

    /// Reads a head alone; the body stays empty.
    pub(crate) fn read_head(stream: &mut Stream) -> io::Result<Response> {
        let (line, headers) = read_head(stream)?;
        let mut words = line.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|status| status.parse().ok());
        let Some(status) = status.filter(|_| version.starts_with("HTTP/1.")) else {
            return Err(malformed("status line", &line));
        };
        let reason = words.next().unwrap_or_default().to_owned();
        let (body, trailers) = (Vec::new(), Fields::default());
        Ok(Response { version, status, reason, headers, body, trailers })
    }

    /// Reads a head and its body, where a response to such a request has one.
    pub(crate) fn read(stream: &mut Stream, method: &str) -> io::Result<Response> {
        let mut response = Response::read_head(stream)?;
        let bodiless = matches!(response.status, 100..=199 | 204 | 304) || method == "HEAD";
        if bodiless {
            return Ok(response);
        }
        if response.headers.has_token("transfer-encoding", "chunked") {
            (response.body, response.trailers) = read_chunked(stream)?;
        } else if let Some(length) = response.headers.content_length()? {
            response.body = stream.take(length)?;
        } else {
            let (body, end) = stream.take_to_end()?;
            if end == crate::End::Reset {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            response.body = body;
        }
        Ok(response)
    }
}

fn read_head(stream: &mut Stream) -> io::Result<(String, Fields)> {
    let head = stream.take_through(b"\r\n\r\n")?;
    let text = characters(&head);
    let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    let fields = lines.map(field).collect::<io::Result<Vec<_>>>()?;
    Ok((first, Fields(fields)))
}

fn read_chunked(stream: &mut Stream) -> io::Result<(Vec<u8>, Fields)> {
    let mut body = Vec::new();
    loop {
        let line = characters(&stream.take_through(b"\r\n")?);
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed("chunk size", &line))?;
        if size == 0 {
            break;
        }
        body.extend(stream.take(size)?);
        if stream.take(2)? != b"\r\n" {
            return Err(malformed("chunk of size", &line));
        }
    }
    let mut trailers = Vec::new();
    loop {
        let line = characters(&stream.take_through(b"\r\n")?);
        match line.trim_end() {
            "" => return Ok((body, Fields(trailers))),
            line => trailers.push(field(line)?),
        }
    }
}

fn field(line: &str) -> io::Result<(String, String)> {
    let (name, value) = line.split_once(':').ok_or_else(|| malformed("field line", line))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// One character for each byte, so that nothing is lost.
fn characters(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn malformed(what: &str, found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}: {found:?}"))
}
