//! The parts of a `tokenizers` pipeline, in forms that report errors and can be shared.
//!
//! The stock pipeline swallows a regular expression that hits its backtracking limit (the rest of the text silently
//! becomes one piece, so its tokens are wrong). `CheckedPreTokenizer` runs the same patterns and returns the error.

use crate::sentence_piece::SentencePiece;
use crate::Failure;
use fancy_regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::models::ModelWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::split::SplitPattern;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::tokenizer::pattern::{Invert, Pattern};
use tokenizers::tokenizer::{
    Model, NormalizedString, Normalizer, Offsets, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior, Token,
};
use tokenizers::{NormalizerWrapper, TokenizerImpl};

/// A Unicode noncharacter, never valid in interchanged text: it is stripped from what users type and then free to break
/// up control literals in it ("defusing", see `control`). Removed again after control tokens have been matched.
pub const SENTINEL: char = '\u{FDD0}';

/// Steps back that one match attempt may take: several for every character of a long stretch of spaces. The engine's
/// own stack, of a million steps, then is the limit for such a stretch.
const BACKTRACK_LIMIT: usize = 4_000_000;

/// GPT-2's own pattern, which `ByteLevel { use_regex: true }` stands for.
pub const GPT2_PATTERN: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The pipeline used everywhere here. No post-processor is ever set: BOS is the session's business, not the text's.
pub type Pipeline =
    TokenizerImpl<SharedModel, StrippingNormalizer, CheckedPreTokenizer, PostProcessorWrapper, DecoderWrapper>;

/// Merging rules and vocabulary.
pub enum Merging {
    Library(Box<ModelWrapper>),
    SentencePiece(Box<SentencePiece>),
}

/// One vocabulary for the several pipelines of a tokenizer.
#[derive(Clone)]
pub struct SharedModel(pub Arc<Merging>);

impl Model for SharedModel {
    // Nothing is trained here; the trait demands a type.
    type Trainer = BpeTrainer;

    fn tokenize(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        match &*self.0 {
            Merging::Library(model) => model.tokenize(text),
            Merging::SentencePiece(model) => Ok(model.tokenize(text)),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match &*self.0 {
            Merging::Library(model) => model.token_to_id(token),
            Merging::SentencePiece(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match &*self.0 {
            Merging::Library(model) => model.id_to_token(id),
            Merging::SentencePiece(model) => model.id_to_token(id).map(str::to_owned),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match &*self.0 {
            Merging::Library(model) => model.get_vocab(),
            Merging::SentencePiece(model) => model.vocabulary(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match &*self.0 {
            Merging::Library(model) => model.get_vocab_size(),
            Merging::SentencePiece(model) => model.size(),
        }
    }

    fn save(&self, _: &Path, _: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        Err("this model is read-only".into())
    }

    fn get_trainer(&self) -> BpeTrainer {
        BpeTrainer::default()
    }
}

/// Removes the sentinel, then does what the tokenizer's own normalizer does. It runs after control tokens were matched
/// in the raw text, so a literal that the sentinel had broken up stays text.
#[derive(Clone)]
pub struct StrippingNormalizer {
    inner: Option<NormalizerWrapper>,
}

impl StrippingNormalizer {
    pub fn new(inner: Option<NormalizerWrapper>) -> Self {
        Self { inner }
    }
}

impl Normalizer for StrippingNormalizer {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        if text.get().contains(SENTINEL) {
            text.filter(|c| c != SENTINEL);
        }
        match &self.inner {
            Some(inner) => inner.normalize(text),
            None => Ok(()),
        }
    }
}

/// A pre-tokenizer's steps, in order.
#[derive(Clone)]
pub struct CheckedPreTokenizer(Arc<Vec<Step>>);

enum Step {
    Split {
        pattern: Regex,
        behavior: SplitDelimiterBehavior,
        invert: bool,
    },
    /// One space before the text, unless it begins with one.
    PrefixSpace,
    Library(Box<PreTokenizerWrapper>),
}

fn compile(pattern: &str) -> Result<Regex, Failure> {
    Ok(RegexBuilder::new(pattern).backtrack_limit(BACKTRACK_LIMIT).build()?)
}

impl CheckedPreTokenizer {
    /// Takes a pre-tokenizer apart. `None`: text is not split.
    pub fn new(pre_tokenizer: Option<&PreTokenizerWrapper>) -> Result<Self, Failure> {
        let mut steps = Vec::new();
        if let Some(pre_tokenizer) = pre_tokenizer {
            append_steps(pre_tokenizer, &mut steps)?;
        }
        Ok(Self(Arc::new(steps)))
    }

    /// `patterns` one after another, then bytes mapped to GPT-2's alphabet.
    pub fn byte_level(patterns: &[&str]) -> Result<Self, Failure> {
        let mut steps = Vec::new();
        for pattern in patterns {
            steps.push(isolate(pattern)?);
        }
        steps.push(Step::Library(Box::new(ByteLevel::new(false, true, false).into())));
        Ok(Self(Arc::new(steps)))
    }
}

fn isolate(pattern: &str) -> Result<Step, Failure> {
    Ok(Step::Split { pattern: compile(pattern)?, behavior: SplitDelimiterBehavior::Isolated, invert: false })
}

fn append_steps(pre_tokenizer: &PreTokenizerWrapper, steps: &mut Vec<Step>) -> Result<(), Failure> {
    match pre_tokenizer {
        PreTokenizerWrapper::Sequence(sequence) => {
            for part in sequence.as_ref() {
                append_steps(part, steps)?;
            }
        }
        PreTokenizerWrapper::Split(split) => {
            let pattern = match &split.pattern {
                SplitPattern::String(literal) => compile(&fancy_regex::escape(literal))?,
                SplitPattern::Regex(pattern) => compile(pattern)?,
            };
            steps.push(Step::Split { pattern, behavior: split.behavior, invert: split.invert });
        }
        PreTokenizerWrapper::ByteLevel(byte_level) => {
            if byte_level.add_prefix_space {
                steps.push(Step::PrefixSpace);
            }
            if byte_level.use_regex {
                steps.push(isolate(GPT2_PATTERN)?);
            }
            steps.push(Step::Library(Box::new(ByteLevel::new(false, true, false).into())));
        }
        other => steps.push(Step::Library(Box::new(other.clone()))),
    }
    Ok(())
}

/// Where `regex` matches, with its errors turned into ones that can cross `tokenizers`.
struct Checked<'a>(&'a Regex);

impl Pattern for Checked<'_> {
    fn find_matches(&self, text: &str) -> tokenizers::Result<Vec<(Offsets, bool)>> {
        self.0
            .find_matches(text)
            .map_err(|error| format!("text of {} bytes: regular expression gave up: {error}", text.len()).into())
    }
}

impl PreTokenizer for CheckedPreTokenizer {
    fn pre_tokenize(&self, text: &mut PreTokenizedString) -> tokenizers::Result<()> {
        for step in self.0.iter() {
            match step {
                Step::Split { pattern, behavior, invert: false } => {
                    text.split(|_, piece| piece.split(Checked(pattern), *behavior))?
                }
                Step::Split { pattern, behavior, invert: true } => {
                    text.split(|_, piece| piece.split(Invert(Checked(pattern)), *behavior))?
                }
                Step::PrefixSpace => text.split(|_, mut piece| {
                    if !piece.get().starts_with(' ') {
                        piece.prepend(" ");
                    }
                    Ok(vec![piece])
                })?,
                Step::Library(step) => step.pre_tokenize(text)?,
            }
        }
        Ok(())
    }
}
