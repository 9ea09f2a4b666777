//! What comes from evidence may be written by whoever wants a reader to see something else: nothing of it reaches a terminal
//! that would steer it.

/// A text as it may be shown: what would steer a terminal, or turn the direction of writing, stands as its number.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_steering(char) {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// The same of a text with several lines.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Control characters, marks of direction, and what nobody sees.
pub(crate) fn is_steering(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
