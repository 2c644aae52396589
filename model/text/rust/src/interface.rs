//! The C interface. Ownership, threads and errors are documented once, in `perennial_text.h`.

use crate::gguf;
use crate::template::ChatTemplate;
use crate::text_tokenizer::TextTokenizer;
use crate::Failure;
use std::mem::ManuallyDrop;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

/// Borrowed bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PerennialSlice {
    data: *const u8,
    size: usize,
}

/// Bytes that the caller gives back.
#[repr(C)]
pub struct PerennialBytes {
    data: *mut u8,
    size: usize,
    capacity: usize,
}

/// Token ids that the caller gives back.
#[repr(C)]
pub struct PerennialTokens {
    data: *mut i32,
    size: usize,
    capacity: usize,
}

/// GGUF's arrays, borrowed.
#[repr(C)]
pub struct PerennialGgufVocabulary {
    model: PerennialSlice,
    pre: PerennialSlice,
    tokens: *const PerennialSlice,
    num_tokens: usize,
    types: *const i32,
    num_types: usize,
    scores: *const f32,
    num_scores: usize,
    merges: *const PerennialSlice,
    num_merges: usize,
    add_space_prefix: bool,
    controls_take_space_after: bool,
}

/// # Safety
/// `data` must point to `size` readable values, unless `size` is 0.
unsafe fn values<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 || data.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, size) }
}

impl PerennialSlice {
    /// # Safety
    /// The memory must stay valid and unchanged while the result is used.
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: the caller's promise.
        unsafe { values(self.data, self.size) }
    }

    /// # Safety
    /// As `bytes`.
    unsafe fn text<'a>(self, what: &str) -> Result<&'a str, Failure> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { self.bytes() };
        std::str::from_utf8(bytes)
            .map_err(|error| format!("{what} is not UTF-8 at byte {}", error.valid_up_to()).into())
    }
}

impl From<Vec<u8>> for PerennialBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let mut bytes = ManuallyDrop::new(bytes);
        Self { data: bytes.as_mut_ptr(), size: bytes.len(), capacity: bytes.capacity() }
    }
}

impl PerennialTokens {
    fn new(ids: Vec<u32>) -> Result<Self, Failure> {
        let ids = ids.into_iter().map(i32::try_from).collect::<Result<Vec<i32>, _>>()?;
        let mut ids = ManuallyDrop::new(ids);
        Ok(Self { data: ids.as_mut_ptr(), size: ids.len(), capacity: ids.capacity() })
    }
}

/// Runs `work`; a panic in it becomes a failure. One line, so that it can stand in a log or a status.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, String> {
    static SILENCE: Once = Once::new();
    // Panics are reported as failures, not on standard error.
    SILENCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let failure = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(failure)) => failure.to_string(),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            format!("internal error of the text library: {message}")
        }
    };
    Err(failure.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// # Safety
/// `out` must be writable or null; what it held is overwritten, not freed.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: the caller's promise.
        unsafe { out.write(value) }
    }
}

/// Gives `work`'s value to the caller as a handle, or null and the failure in `error`.
///
/// # Safety
/// As `put`.
pub(crate) unsafe fn make<T>(error: *mut PerennialBytes, work: impl FnOnce() -> Result<T, Failure>) -> *mut T {
    match guarded(work) {
        Ok(value) => Box::into_raw(Box::new(value)),
        Err(failure) => {
            // SAFETY: the caller's promise.
            unsafe { put(error, failure.into_bytes().into()) };
            std::ptr::null_mut()
        }
    }
}

/// # Safety
/// `handle` must come from `make` and be given back once, or be null.
pub(crate) unsafe fn release<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: the caller's promise. What a failing destructor leaves behind is leaked.
        let _ = guarded(|| {
            drop(unsafe { Box::from_raw(handle) });
            Ok(())
        });
    }
}

/// Writes `work`'s bytes, or on failure its message, to `out`.
///
/// # Safety
/// As `put`.
unsafe fn answer(out: *mut PerennialBytes, work: impl FnOnce() -> Result<Vec<u8>, Failure>) -> bool {
    let result = guarded(work);
    let succeeded = result.is_ok();
    // SAFETY: the caller's promise.
    unsafe { put(out, result.unwrap_or_else(String::into_bytes).into()) };
    succeeded
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_bytes_free(bytes: PerennialBytes) {
    if !bytes.data.is_null() {
        // SAFETY: made from a Vec by `PerennialBytes::from`.
        drop(unsafe { Vec::from_raw_parts(bytes.data, bytes.size, bytes.capacity) });
    }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokens_free(tokens: PerennialTokens) {
    if !tokens.data.is_null() {
        // SAFETY: made from a Vec by `PerennialTokens::new`.
        drop(unsafe { Vec::from_raw_parts(tokens.data, tokens.size, tokens.capacity) });
    }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_from_json(
    json: PerennialSlice,
    chat_template: PerennialSlice,
    error: *mut PerennialBytes,
) -> *mut TextTokenizer {
    // SAFETY: the caller's promises, in perennial_text.h; so below.
    unsafe { make(error, || TextTokenizer::from_json(json.bytes(), chat_template.text("the chat template")?)) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_from_gguf(
    vocabulary: *const PerennialGgufVocabulary,
    chat_template: PerennialSlice,
    error: *mut PerennialBytes,
) -> *mut TextTokenizer {
    // SAFETY: the caller's promises.
    unsafe {
        make(error, || {
            let vocabulary = &*vocabulary;
            let slices = |data, size| values::<PerennialSlice>(data, size).iter().map(|slice| slice.bytes()).collect();
            let arrays = gguf::Arrays {
                model: vocabulary.model.text("tokenizer.ggml.model")?,
                pre: vocabulary.pre.text("tokenizer.ggml.pre")?,
                tokens: slices(vocabulary.tokens, vocabulary.num_tokens),
                types: values(vocabulary.types, vocabulary.num_types),
                scores: values(vocabulary.scores, vocabulary.num_scores),
                merges: slices(vocabulary.merges, vocabulary.num_merges),
                add_space_prefix: vocabulary.add_space_prefix,
                controls_take_space_after: vocabulary.controls_take_space_after,
            };
            TextTokenizer::from_gguf(&arrays, chat_template.text("the chat template")?)
        })
    }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_free(tokenizer: *mut TextTokenizer) {
    // SAFETY: the caller's promises.
    unsafe { release(tokenizer) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_size(tokenizer: *const TextTokenizer) -> usize {
    // SAFETY: the caller's promises.
    unsafe { (*tokenizer).size() }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_encode(
    tokenizer: *const TextTokenizer,
    text: PerennialSlice,
    rendered: bool,
    tokens: *mut PerennialTokens,
    error: *mut PerennialBytes,
) -> bool {
    // SAFETY: the caller's promises.
    unsafe {
        let result = guarded(|| {
            let text = text.text("the text")?;
            let tokenizer = &*tokenizer;
            let ids = if rendered { tokenizer.encode_rendered(text) } else { tokenizer.encode_text(text) };
            PerennialTokens::new(ids?)
        });
        match result {
            Ok(ids) => {
                put(tokens, ids);
                true
            }
            Err(failure) => {
                put(error, failure.into_bytes().into());
                false
            }
        }
    }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_token_bytes(
    tokenizer: *const TextTokenizer,
    id: i32,
    out: *mut PerennialBytes,
) -> bool {
    // SAFETY: the caller's promises.
    unsafe { answer(out, || Ok((*tokenizer).token_bytes(u32::try_from(id)?))) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_control_token(
    tokenizer: *const TextTokenizer,
    literal: PerennialSlice,
) -> i32 {
    // SAFETY: the caller's promises.
    let id = guarded(|| unsafe { Ok((*tokenizer).control_token(literal.text("the literal")?)) });
    id.ok().flatten().and_then(|id| i32::try_from(id).ok()).unwrap_or(-1)
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_defuse(
    tokenizer: *const TextTokenizer,
    text: PerennialSlice,
    keep_template_literals: bool,
    out: *mut PerennialBytes,
) -> bool {
    // SAFETY: the caller's promises.
    unsafe { answer(out, || Ok((*tokenizer).defuse(text.text("the message")?, !keep_template_literals).into_bytes())) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_template_new(
    source: PerennialSlice,
    error: *mut PerennialBytes,
) -> *mut ChatTemplate {
    // SAFETY: the caller's promises.
    unsafe { make(error, || ChatTemplate::new(source.text("the chat template")?)) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_template_free(template: *mut ChatTemplate) {
    // SAFETY: the caller's promises.
    unsafe { release(template) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_template_render(
    template: *const ChatTemplate,
    context_json: PerennialSlice,
    fuel: u64,
    out: *mut PerennialBytes,
) -> bool {
    // SAFETY: the caller's promises.
    unsafe { answer(out, || Ok((*template).render(context_json.bytes(), fuel)?.into_bytes())) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_tokenizer_is_control(tokenizer: *const TextTokenizer, id: i32) -> bool {
    // SAFETY: the caller's promises.
    u32::try_from(id).is_ok_and(|id| unsafe { (*tokenizer).is_control(id) })
}
