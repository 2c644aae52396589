//! One model's tokenizer in two readings: text that a person typed, in which nothing is a control token, and a rendered
//! chat template, in which control literals are control tokens.

use crate::byte_alphabet;
use crate::constraint::Vocabulary;
use crate::control::{self, Control};
use crate::gguf;
use crate::pipeline::{CheckedPreTokenizer, Merging, Pipeline, SharedModel, StrippingNormalizer, SENTINEL};
use crate::sentence_piece::{byte_piece, SPACE_MARK};
use crate::Failure;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use tokenizers::models::ModelWrapper;
use tokenizers::{AddedToken, Tokenizer, TokenizerImpl};

/// Immutable after construction; may be used by several threads at once.
pub struct TextTokenizer {
    plain: Pipeline,
    rendered: Pipeline,
    /// Longest literal first.
    controls: Vec<Control>,
    /// Ids that plain text must never give.
    forbidden: HashSet<u32>,
    byte_level: bool,
    unreachable: HashMap<u32, Vec<u8>>,
    size: usize,
    /// Made when the first constraint is asked for.
    vocabulary: OnceLock<Result<Vocabulary, String>>,
}

impl TextTokenizer {
    /// From the text of a `tokenizer.json`.
    pub fn from_json(json: &[u8], chat_template: &str) -> Result<Self, Failure> {
        let library: Tokenizer = Tokenizer::from_bytes(json)?;
        let unknown = match library.get_model() {
            ModelWrapper::BPE(bpe) => bpe.get_unk_token().as_ref().and_then(|token| library.token_to_id(token)),
            _ => None,
        };
        let byte_level = serde_json::to_string(&library.get_decoder())?.contains("\"ByteLevel\"");
        let pre_tokenizer = CheckedPreTokenizer::new(library.get_pre_tokenizer())?;
        let normalizer = StrippingNormalizer::new(library.get_normalizer().cloned());
        let added = library.get_added_vocabulary().clone();
        let model = SharedModel(Arc::new(Merging::Library(Box::new(library.get_model().clone()))));
        let mut pipeline: Pipeline = TokenizerImpl::new(model);
        pipeline.with_pre_tokenizer(Some(pre_tokenizer));
        pipeline.with_added_vocabulary(added);
        pipeline.with_normalizer(Some(normalizer))?;
        Self::assemble(pipeline, chat_template, byte_level, unknown, HashMap::new())
    }

    /// From GGUF's arrays.
    pub fn from_gguf(arrays: &gguf::Arrays, chat_template: &str) -> Result<Self, Failure> {
        let parts = gguf::build(arrays)?;
        let mut pipeline: Pipeline = TokenizerImpl::new(SharedModel(Arc::new(parts.merging)));
        pipeline.with_pre_tokenizer(Some(parts.pre_tokenizer));
        pipeline.with_normalizer(Some(StrippingNormalizer::new(parts.normalizer)))?;
        pipeline.add_tokens(parts.added_tokens)?;
        Self::assemble(pipeline, chat_template, parts.byte_level, parts.unknown, parts.unreachable)
    }

    fn assemble(
        mut rendered: Pipeline,
        chat_template: &str,
        byte_level: bool,
        unknown: Option<u32>,
        unreachable: HashMap<u32, Vec<u8>>,
    ) -> Result<Self, Failure> {
        let mut controls = Vec::new();
        let mut added: Vec<(u32, AddedToken)> = rendered.get_added_tokens_decoder().into_iter().collect();
        added.sort_by_key(|(id, _)| *id);
        added.retain(|(_, token)| control::is_hard(token) || control::is_named_by(token, chat_template));
        for (id, token) in &added {
            controls.push(Control { literal: token.content.clone(), id: *id, hard: control::is_hard(token) });
        }
        controls.sort_by_key(|control| Reverse(control.literal.len()));
        // Adding a token again keeps its id and replaces its flags. Not normalized: matched in the raw text, where the
        // sentinel still stands. Special, in the plain reading only: skipped by `encode_special_tokens`.
        let again = |special: bool| {
            added.iter().map(move |(_, token)| {
                let special = special || token.special;
                AddedToken { normalized: false, special, ..token.clone() }
            })
        };
        let mut plain = rendered.clone();
        plain.add_tokens(again(true))?;
        plain.set_encode_special_tokens(true);
        rendered.add_tokens(again(false))?;
        let forbidden = controls.iter().filter(|c| c.hard && Some(c.id) != unknown).map(|c| c.id).collect();
        let size = rendered.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Ok(Self { plain, rendered, controls, forbidden, byte_level, unreachable, size, vocabulary: OnceLock::new() })
    }

    /// Highest token id + 1.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The vocabulary as grammars use it. The first call makes it, which takes as long as reading the tokenizer did.
    pub fn vocabulary(&self) -> Result<&Vocabulary, Failure> {
        let made = self.vocabulary.get_or_init(|| Vocabulary::new(self).map_err(|failure| failure.to_string()));
        made.as_ref().map_err(|failure| failure.as_str().into())
    }

    /// Tokens of text that a person typed: none of them is a control token.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, Failure> {
        let stripped;
        let text = if text.contains(SENTINEL) {
            stripped = text.replace(SENTINEL, "");
            stripped.as_str()
        } else {
            text
        };
        let ids = encode(&self.plain, text)?;
        // Merges of a broken or hostile vocabulary could still spell one.
        match ids.iter().find(|id| self.forbidden.contains(id)) {
            Some(id) => Err(format!("the vocabulary merges plain text into control token {id}").into()),
            None => Ok(ids),
        }
    }

    /// Tokens of a rendered template whose message texts went through `defuse`.
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<u32>, Failure> {
        encode(&self.rendered, text)
    }

    /// See `control::defuse`.
    pub fn defuse(&self, text: &str, soft: bool) -> String {
        control::defuse(text, &self.controls, soft)
    }

    /// The id of a control token that is not plain text to readers.
    pub fn control_token(&self, literal: &str) -> Option<u32> {
        self.controls.iter().find(|control| control.hard && control.literal == literal).map(|control| control.id)
    }

    /// True if plain text must never give `id`.
    pub fn is_control(&self, id: u32) -> bool {
        self.forbidden.contains(&id)
    }

    /// What `id` adds to a reply: its exact bytes whatever stands beside it, nothing for a control token or an id that
    /// the vocabulary does not have.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        if self.controls.iter().any(|control| control.hard && control.id == id) {
            return Vec::new();
        }
        if let Some(bytes) = self.unreachable.get(&id) {
            return bytes.clone();
        }
        let added = self.rendered.get_added_vocabulary().get_added_tokens_decoder().get(&id);
        if let Some(token) = added {
            return self.without_marks(&token.content).into_bytes();
        }
        let Some(piece) = tokenizers::Model::id_to_token(self.rendered.get_model(), id) else { return Vec::new() };
        if self.byte_level {
            return byte_alphabet::bytes_of(&piece);
        }
        match byte_piece(&piece) {
            Some(byte) => vec![byte],
            None => self.without_marks(&piece).into_bytes(),
        }
    }

    fn without_marks(&self, piece: &str) -> String {
        if self.byte_level {
            piece.to_owned()
        } else {
            piece.replace(SPACE_MARK, " ")
        }
    }
}

fn encode(pipeline: &Pipeline, text: &str) -> Result<Vec<u32>, Failure> {
    Ok(pipeline.encode_fast(text, false)?.get_ids().to_vec())
}
