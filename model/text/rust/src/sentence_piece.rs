//! SentencePiece-type BPE as GGUF stores it: pieces with scores and no list of merges.
//!
//! Text is merged by repeatedly joining the two neighbours whose joined piece has the highest score, the leftmost of
//! equals. Characters that are no piece become byte pieces `<0xNN>`. This is SentencePiece's and llama.cpp's rule; a list
//! of ranked merges cannot express it, since all ways to split one piece must rank equal.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use tokenizers::tokenizer::Token;

/// What a space is written as inside pieces.
pub const SPACE_MARK: char = '\u{2581}';

pub struct SentencePiece {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    /// Pieces that merging may produce, with their scores; control pieces are not among them.
    mergeable: HashMap<String, (u32, f32)>,
    byte_ids: [Option<u32>; 256],
    unknown: Option<u32>,
}

/// A stretch of the text that is one piece so far. Neighbours are indices into the list of symbols; `size` 0: joined
/// into the symbol on its left.
struct Symbol {
    begin: usize,
    size: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that could be joined. Stale (to be skipped) when `size` no longer is theirs together.
struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    size: usize,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}
impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Candidate {}

/// The byte of a piece `<0xNN>`.
pub fn byte_piece(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

impl SentencePiece {
    /// `tokens[id]`, with `may_merge[id]`: normal and user-defined pieces; `is_byte[id]`: byte pieces. All as long as
    /// `tokens`. `unknown`: what stands for a byte that has no piece.
    pub fn new(
        tokens: Vec<String>,
        scores: &[f32],
        may_merge: &[bool],
        is_byte: &[bool],
        unknown: Option<u32>,
    ) -> Self {
        let mut ids = HashMap::with_capacity(tokens.len());
        let mut mergeable = HashMap::with_capacity(tokens.len());
        let mut byte_ids = [None; 256];
        for (id, token) in (0u32..).zip(&tokens) {
            let index = id as usize;
            ids.entry(token.clone()).or_insert(id);
            if is_byte[index] {
                if let Some(byte) = byte_piece(token) {
                    byte_ids[usize::from(byte)] = Some(id);
                }
            } else if may_merge[index] {
                mergeable.entry(token.clone()).or_insert((id, scores[index]));
            }
        }
        Self { tokens, ids, mergeable, byte_ids, unknown }
    }

    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    pub fn id_to_token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    pub fn vocabulary(&self) -> HashMap<String, u32> {
        self.ids.clone()
    }

    pub fn size(&self) -> usize {
        self.tokens.len()
    }

    /// Merges `text` (spaces already written as `SPACE_MARK`). Takes time n log n in its length.
    pub fn tokenize(&self, text: &str) -> Vec<Token> {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(index, (begin, c))| Symbol {
                begin,
                size: c.len_utf8(),
                previous: index.checked_sub(1),
                next: (begin + c.len_utf8() < text.len()).then_some(index + 1),
            })
            .collect();
        let mut candidates = BinaryHeap::new();
        for right in 1..symbols.len() {
            self.propose(text, &symbols, Some(right - 1), Some(right), &mut candidates);
        }
        while let Some(Candidate { left, right, size, .. }) = candidates.pop() {
            if symbols[left].size == 0 || symbols[right].size == 0 || symbols[left].size + symbols[right].size != size {
                continue;
            }
            let after = symbols[right].next;
            symbols[left].size = size;
            symbols[left].next = after;
            symbols[right].size = 0;
            if let Some(after) = after {
                symbols[after].previous = Some(left);
            }
            self.propose(text, &symbols, symbols[left].previous, Some(left), &mut candidates);
            self.propose(text, &symbols, Some(left), after, &mut candidates);
        }
        let mut tokens = Vec::new();
        for symbol in symbols.iter().filter(|symbol| symbol.size > 0) {
            self.append(text, symbol, &mut tokens);
        }
        tokens
    }

    fn propose(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: Option<usize>,
        right: Option<usize>,
        candidates: &mut BinaryHeap<Candidate>,
    ) {
        let (Some(left), Some(right)) = (left, right) else { return };
        let begin = symbols[left].begin;
        let size = symbols[left].size + symbols[right].size;
        if let Some(&(_, score)) = self.mergeable.get(&text[begin..begin + size]) {
            candidates.push(Candidate { score, left, right, size });
        }
    }

    fn append(&self, text: &str, symbol: &Symbol, tokens: &mut Vec<Token>) {
        let end = symbol.begin + symbol.size;
        let piece = &text[symbol.begin..end];
        if let Some(&(id, _)) = self.mergeable.get(piece) {
            tokens.push(Token::new(id, piece.to_owned(), (symbol.begin, end)));
            return;
        }
        for byte in piece.bytes() {
            if let Some(id) = self.byte_ids[usize::from(byte)].or(self.unknown) {
                tokens.push(Token::new(id, self.tokens[id as usize].clone(), (symbol.begin, end)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(model: &SentencePiece, text: &str) -> Vec<u32> {
        model.tokenize(text).into_iter().map(|token| token.id).collect()
    }

    fn model(pieces: &[(&str, f32)]) -> SentencePiece {
        let tokens = pieces.iter().map(|(piece, _)| (*piece).to_owned()).collect::<Vec<_>>();
        let scores = pieces.iter().map(|(_, score)| *score).collect::<Vec<_>>();
        let is_byte = tokens.iter().map(|piece| byte_piece(piece).is_some()).collect::<Vec<_>>();
        let may_merge = is_byte.iter().map(|byte| !byte).collect::<Vec<_>>();
        SentencePiece::new(tokens, &scores, &may_merge, &is_byte, None)
    }

    #[test]
    fn the_highest_score_is_joined_first_and_the_leftmost_of_equals() {
        let model = model(&[("a", -9.0), ("b", -9.0), ("ab", -2.0), ("ba", -1.0), ("aa", -3.0)]);
        assert_eq!(ids(&model, "aba"), [0, 3]);
        assert_eq!(ids(&model, "aaa"), [4, 0]);
        assert_eq!(ids(&model, ""), [0u32; 0]);
    }

    #[test]
    fn characters_without_a_piece_become_bytes() {
        let model = model(&[("a", -1.0), ("<0xC3>", 0.0), ("<0xA9>", 0.0)]);
        assert_eq!(ids(&model, "aé"), [0, 1, 2]);
    }

    #[test]
    fn byte_pieces_have_exactly_two_digits() {
        assert_eq!(byte_piece("<0x0A>"), Some(10));
        assert_eq!(byte_piece("<0x+A>"), None);
        assert_eq!(byte_piece("<0x0AB>"), None);
    }
}
