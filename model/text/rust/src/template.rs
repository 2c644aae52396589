//! Chat templates: minijinja set up to do what transformers' Jinja2 environment does.
//!
//! Templates come with checkpoints and are untrusted: instructions and memory are bounded by fuel, source and nesting by
//! fixed limits.

use crate::python_format;
use crate::Failure;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State};

const NAME: &str = "chat_template";
/// The largest real chat templates have about 20 KB. Compiling takes time that grows with the square of an expression.
const MAX_SOURCE_BYTES: usize = 64 * 1024;
/// Compiling recurses into expressions, and `1+1+1+…` is as deep as it is long: measured, 64 KiB of it need under 16 MB.
const COMPILER_STACK_BYTES: usize = 64 << 20;
/// What the context calls the time that `strftime_now` shows.
const NOW: &str = "perennial_unix_seconds";
const MAX_DATE_BYTES: usize = 512;

/// Immutable after construction; may be used by several threads at once.
pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    pub fn new(source: &str) -> Result<Self, Failure> {
        if source.len() > MAX_SOURCE_BYTES {
            let size = source.len();
            return Err(format!("the template has {size} bytes, the limit is {MAX_SOURCE_BYTES}").into());
        }
        // On a thread of its own: how much stack the caller has left is unknown.
        let source = source.to_owned();
        let compiler =
            std::thread::Builder::new().stack_size(COMPILER_STACK_BYTES).spawn(move || Self::compile(&source))?;
        compiler.join().map_err(|_| "the template compiler panicked")?
    }

    fn compile(source: &str) -> Result<Self, Failure> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_recursion_limit(100);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(format_as_python);
        environment.add_filter("tojson", to_json);
        environment.add_test("iterable", is_iterable);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_template_owned(NAME, without_generation_tags(source))?;
        Ok(Self { environment })
    }

    /// Renders with the variables of `context`, a JSON object. `fuel`: see minijinja; about one per instruction and one
    /// per 64 bytes.
    pub fn render(&self, context: &[u8], fuel: u64) -> Result<String, Failure> {
        let context: serde_json::Value = serde_json::from_slice(context)?;
        // An environment is a few shared pointers: fuel is a setting of the whole of it.
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(fuel));
        Ok(environment.get_template(NAME)?.render(Value::from(Serde(context)))?)
    }
}

fn format_as_python(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let text = python_format::print(value)?;
    state.consume_fuel(text.len() as u64 / 64)?;
    out.write_str(&text).map_err(Error::from)
}

fn to_json(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<Value, Error> {
    let indent = match indent {
        Some(width) => Some(width),
        None => options.get::<Option<usize>>("indent")?,
    };
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    if indent.is_some_and(|width| width > 16) {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson: indent is at most 16"));
    }
    // Accepted as transformers accepts them; no known template gives them other values than the defaults.
    options.get::<Option<Value>>("separators")?;
    options.get::<Option<bool>>("sort_keys")?;
    options.assert_all_used()?;
    Ok(Value::from_safe_string(python_format::json(value, indent, ascii)?))
}

/// Jinja2's answer: none is not iterable, undefined is.
fn is_iterable(value: &Value) -> bool {
    value.is_undefined() || (!value.is_none() && value.try_iter().is_ok())
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, format!("the template refuses: {message}")))
}

/// `datetime.now().strftime(format)`, at the time that the caller put into the context.
fn strftime_now(state: &State, format: &str) -> Result<String, Error> {
    let invalid = |why: &str| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {why}"));
    let seconds = state.lookup(NOW).and_then(|value| value.as_i64()).ok_or_else(|| invalid("no time given"))?;
    if format.is_empty() {
        return Ok(String::new());
    }
    if format.len() > MAX_DATE_BYTES {
        return Err(invalid("the format is too long"));
    }
    let format = std::ffi::CString::new(format).map_err(|_| invalid("the format holds a NUL"))?;
    let mut text = vec![0u8; MAX_DATE_BYTES];
    // SAFETY: `tm` is plain data and filled by localtime_r before use; strftime writes at most `text.len()` bytes and
    // reads `format` up to its NUL.
    let written = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        let time: libc::time_t = seconds;
        if libc::localtime_r(&time, &mut tm).is_null() {
            return Err(invalid("the time is out of range"));
        }
        libc::strftime(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), &tm)
    };
    if written == 0 {
        return Err(invalid("the result is too long"));
    }
    text.truncate(written);
    String::from_utf8(text).map_err(|_| invalid("the result is not UTF-8"))
}

/// `{% generation %}` (an extension of transformers) only marks spans for training: it becomes a block that changes
/// nothing, keeping the whitespace control of its tags.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(begin) = rest.find("{%") {
        let Some(length) = rest[begin..].find("%}") else { break };
        let tag = &rest[begin + 2..begin + length];
        let body = tag.strip_prefix(['-', '+']).unwrap_or(tag);
        let body = body.strip_suffix(['-', '+']).unwrap_or(body);
        let replacement = match body.trim() {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => "",
        };
        out.push_str(&rest[..begin]);
        if replacement.is_empty() {
            out.push_str("{%");
            rest = &rest[begin + 2..];
            continue;
        }
        out.push_str("{%");
        out.push_str(&tag.replacen(body, &format!(" {replacement} "), 1));
        out.push_str("%}");
        rest = &rest[begin + length + 2..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUEL: u64 = 100_000;

    fn render(source: &str, context: &str) -> Result<String, String> {
        let template = ChatTemplate::new(source).map_err(|error| error.to_string())?;
        template.render(context.as_bytes(), FUEL).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_printed_as_python_prints_them() {
        assert_eq!(render("{{ x }}", r#"{"x": [null, true, "a"]}"#).unwrap(), "[None, True, 'a']");
        assert_eq!(
            render("{{ x|tojson }}", r#"{"x": {"b": [1, 2], "a": "é"}}"#).unwrap(),
            r#"{"b": [1, 2], "a": "é"}"#
        );
        assert_eq!(render("{{ missing }}|{{ 3 }}", "{}").unwrap(), "|3");
    }

    #[test]
    fn none_is_not_iterable() {
        assert_eq!(render("{{ x is iterable }} {{ y is iterable }}", r#"{"x": null, "y": []}"#).unwrap(), "False True");
    }

    #[test]
    fn generation_tags_change_nothing() {
        let source = "a\n{% generation %}b{% endgeneration %}\n{%- generation -%} c {%- endgeneration -%} d";
        assert_eq!(render(source, "{}").unwrap(), "a\nbcd");
        assert_eq!(without_generation_tags("{% if x %}{%"), "{% if x %}{%");
    }

    #[test]
    fn a_template_can_refuse() {
        assert!(render("{{ raise_exception('roles must alternate') }}", "{}")
            .unwrap_err()
            .contains("roles must alternate"));
    }

    #[test]
    fn the_time_is_the_callers() {
        let context = format!(r#"{{"{NOW}": 86400000}}"#);
        assert_eq!(render("{{ strftime_now('%Y') }}", &context).unwrap(), "1972");
        assert!(render("{{ strftime_now('%Y') }}", "{}").is_err());
    }

    #[test]
    fn endless_work_runs_out_of_fuel() {
        let loops = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
        assert!(render(loops, "{}").is_err());
        let doubling =
            "{% set ns = namespace(x='ab') %}{% for a in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
        assert!(render(doubling, "{}").is_err());
        assert!(render("{{ 'x' * 999999999999 }}", "{}").is_err());
        assert!(render("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{}").is_err());
    }

    #[test]
    fn expressions_as_deep_as_the_source_is_long_do_not_overflow_the_stack() {
        assert_eq!(render(&format!("{{{{ 1{} }}}}", "+1".repeat(30_000)), "{}").unwrap(), "30001");
        assert_eq!(render(&format!("{{{{ {}1 }}}}", "-".repeat(60_000)), "{}").unwrap(), "1");
        assert!(render(&format!("{{{{ x{} }}}}", ".a".repeat(30_000)), "{}").is_err());
        assert!(render(&"x".repeat(MAX_SOURCE_BYTES + 1), "{}").is_err());
    }
}
