# shellcheck shell=bash
# ./dev lint and ./dev format. Needs: $top, $deps, terminal.sh, install.sh.

lint_build=$top/build/torch-free  # clang-tidy looks at the code that compiles without libtorch

# Files of ours: tracked, or new and not ignored. our_files PATTERN…
our_files() { git ls-files --cached --others --exclude-standard --deduplicate -- "$@" | while read -r f; do
  [[ -f $f ]] && printf '%s\n' "$f"
done; }

cargo_manifest=$top/model/text/rust/Cargo.toml

check_format() { our_files '*.h' '*.cc' | xargs -r clang-format --dry-run --Werror; }

check_shell() { our_files dev .ci/run | xargs -r shellcheck --external-sources --check-sourced; }

check_proto() {
  (cd proto && "$deps/bin/buf" lint && "$deps/bin/buf" breaking --against baseline.binpb)
}

check_rust() {
  cargo fmt --check --manifest-path "$cargo_manifest" || return
  cargo clippy --version >/dev/null 2>&1 || {
    say "    ${red}left out: clippy is not part of this Rust installation${plain}"
    [[ -z ${PERENNIAL_LINT_STRICT:-} ]]
    return
  }
  cargo clippy --quiet --locked --all-targets --manifest-path "$cargo_manifest" --target-dir "$top/build/cargo" -- \
    --deny warnings
}

# The files to look at: those given, else all torch-free ones. A file that passed stays passed until it, a header, or
# the configuration changes.
tidy_files() {
  local headers file mark
  headers=$(our_files '*.h' '*.proto' .clang-tidy | xargs cat | sha256sum)
  for file in "$@"; do
    mark=$lint_build/tidy/$(sha256sum - "$file" <<<"$headers" | sha256sum | cut -c 1-32)
    [[ -e $mark ]] || printf '%s\n%s\n' "$file" "$mark"
  done
}

check_tidy() {
  local files
  if (($#)); then files=("$@"); else
    mapfile -t files < <(our_files 'model/*.cc' 'server/*.cc' 'client/*.cc' |
      grep --invert-match --extended-regexp '^(model/(torch|eval)/|server/main\.cc)')
  fi
  mkdir -p "$lint_build/tidy"
  # Two arguments each: the file, and the mark that it passed.
  # shellcheck disable=SC2016  # expanded by the inner shell
  tidy_files "${files[@]}" | xargs -r -P "$(nproc)" -L 2 bash -c \
    'clang-tidy --quiet -p "$0" "$1" 2> >(grep -v "warnings generated" >&2) && touch "$2"' "$lint_build" || {
    say "    (clang-tidy's complaints are above)"
    return 1
  }
}

prepare_tidy() { configure torch-free && cmake --build --preset torch-free --target perennial_proto; }

# lint [quick | FILE…]: quick leaves clang-tidy out, which takes minutes.
lint() {
  verb_setup build clang lint
  step "shellcheck" check_shell
  step "clang-format" check_format
  step "buf: style, and compatibility with proto/baseline.binpb" check_proto
  step "cargo fmt and clippy" check_rust
  [[ ${1:-} == quick ]] && return
  step "generated code for clang-tidy" prepare_tidy
  step "clang-tidy" check_tidy "$@"
}

format() {
  verb_setup lint
  our_files '*.h' '*.cc' | xargs -r clang-format -i
  cargo fmt --manifest-path "$cargo_manifest"
  say "Formatted."
}
