//! For fuzz/: page tokens, and requests by the straight way.

use super::page::{Position, position, token};
use super::{convert, posting};
use crate::domain::command::Command;
use crate::format::keyed::KeyedDigest;

/// The commands of a request as the straight way reads them, with the bytes of each; `None` where it is left to the decoder.
pub fn straight<'a>(request: &'a [u8], pseudonyms: &KeyedDigest) -> Option<Vec<(&'a [u8], Command)>> {
    let commands = posting::plain(request)?;
    commands.into_iter().map(|bytes| Some((bytes, convert::straight(bytes, Some(pseudonyms))?))).collect()
}

/// A token as it would be made again; `None` where it was not made for these parameters.
pub fn token_again(text: &str, parameters: &[&[u8]]) -> Option<String> {
    let Position { as_of, after } = position(text, parameters)?;
    Some(token(Position { as_of, after }, parameters))
}
