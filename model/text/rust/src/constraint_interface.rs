//! The C interface of constraints; see `perennial_text.h`.

use crate::constraint::Constraint;
use crate::interface::{guarded, make, put, release, PerennialBytes, PerennialSlice};
use crate::text_tokenizer::TextTokenizer;

/// Tokens that may come next, borrowed.
#[repr(C)]
pub struct PerennialAllowed {
    words: *const u32,
    num_words: usize,
    complete: bool,
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_constraint_new(
    tokenizer: *const TextTokenizer,
    json_schema: PerennialSlice,
    error: *mut PerennialBytes,
) -> *mut Constraint {
    // SAFETY: the caller's promises, in perennial_text.h; so below.
    unsafe { make(error, || Constraint::new((*tokenizer).vocabulary()?, json_schema.bytes())) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_constraint_free(constraint: *mut Constraint) {
    // SAFETY: the caller's promises.
    unsafe { release(constraint) }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_constraint_allowed(constraint: *const Constraint) -> PerennialAllowed {
    // SAFETY: the caller's promises.
    let constraint = unsafe { &*constraint };
    let words = constraint.allowed();
    PerennialAllowed { words: words.as_ptr(), num_words: words.len(), complete: constraint.is_complete() }
}

/// # Safety
/// See perennial_text.h.
#[no_mangle]
pub unsafe extern "C" fn perennial_constraint_accept(
    constraint: *mut Constraint,
    token: i32,
    error: *mut PerennialBytes,
) -> bool {
    // SAFETY: the caller's promises.
    unsafe {
        match guarded(|| (*constraint).accept(u32::try_from(token)?)) {
            Ok(()) => true,
            Err(failure) => {
                put(error, failure.into_bytes().into());
                false
            }
        }
    }
}
