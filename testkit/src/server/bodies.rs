//! Long bodies that can be told apart, byte by byte.

use std::io;
use std::ops::Range;

use super::Connection;

/// A part of the body with this number, which differs from the same part of others and from its own other parts.
pub fn part_of_body(number: usize, places: Range<usize>) -> Vec<u8> {
    places.map(|place| (place ^ (place >> 8) ^ (place >> 16) ^ (number * 151)) as u8).collect()
}

/// The script that answers `/NUMBER/LENGTH` with so much of that body, in pieces of an odd length, until the peer closes.
///
/// # Errors
/// `InvalidData` for another target; else those of [`Connection::next_request`] and [`Connection::send`].
pub fn answer_bodies(connection: &mut Connection) -> io::Result<()> {
    const PIECE: usize = 77_777;
    while let Some(request) = connection.next_request()? {
        let words = request.target.strip_prefix('/').and_then(|rest| rest.split_once('/'));
        let numbers = words.and_then(|(number, length)| Some((number.parse().ok()?, length.parse().ok()?)));
        let Some((number, length)) = numbers else { return Err(io::ErrorKind::InvalidData.into()) };
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
        for start in (0..length).step_by(PIECE) {
            connection.send(part_of_body(number, start..length.min(start + PIECE)))?;
        }
    }
    Ok(())
}
