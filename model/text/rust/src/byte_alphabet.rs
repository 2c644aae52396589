//! GPT-2's byte alphabet: every byte is written as one printable character in byte-level vocabularies.

/// The byte that `c` stands for, or `None` if `c` is not in the alphabet.
pub fn byte_of(c: char) -> Option<u8> {
    // Printable bytes stand for themselves; the 68 others were numbered upwards from U+0100 in byte order:
    // 0x00-0x20, 0x7F-0xA0, 0xAD.
    match u32::from(c) {
        code @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

/// The bytes of a byte-level token. Characters outside the alphabet (in odd vocabularies) are taken as they are.
pub fn bytes_of(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for c in token.chars() {
        match byte_of(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    #[test]
    fn alphabet_is_the_librarys_and_covers_every_byte_once() {
        let bytes: HashSet<u8> = ByteLevel::alphabet().into_iter().filter_map(byte_of).collect();
        assert_eq!(ByteLevel::alphabet().len(), 256);
        assert_eq!(bytes.len(), 256);
        assert_eq!(bytes_of("Ġa"), b" a");
    }
}
