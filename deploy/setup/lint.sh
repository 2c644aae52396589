# shellcheck shell=bash
# ./dev lint and ./dev format. Needs: $top, $deps, terminal.sh, install.sh.

lint_build=$top/build/dev  # its flags are those that clang-tidy sees the code with
clang_tidy=$deps/clang-tidy/bin/clang-tidy

# Files of ours: tracked, or new and not ignored. our_files PATTERN…
our_files() { git ls-files --cached --others --exclude-standard --deduplicate -- "$@" | while read -r f; do
  [[ -f $f ]] && printf '%s\n' "$f"
done; }

cargo_manifest=$top/model/text/rust/Cargo.toml

check_format() { our_files '*.h' '*.cc' | xargs -r clang-format --dry-run --Werror; }

# Programs are known by their first line; what they source is looked at with them (--check-sourced).
shell_programs() { our_files | xargs awk 'FNR == 1 && /^#!.*[ \/](ba|da)?sh$/ { print FILENAME } { nextfile }'; }

check_shell() { shell_programs | xargs -r shellcheck --external-sources --check-sourced; }

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

# tidy_verdicts FILE…: what decides clang-tidy's verdict on each, as lines "FILE HASH": its version and configuration,
# the file, and what it includes of ours, however indirectly (generated headers count as their .proto). Comments count:
# NOLINT and argument names are comments. Fails for what is no file of ours.
tidy_verdicts() {
  local common
  common=$({ "$clang_tidy" --version && cat .clang-tidy CMakeLists.txt; } | sha256sum | cut -c 1-64)
  {
    our_files '*.h' '*.cc' '*.proto' | xargs sha256sum | sed -E 's/^([0-9a-f]{64}) [ *]/content \1 /'
    our_files '*.h' '*.cc' '*.proto' | xargs grep -HE '^(#include|import) "' |
      sed -E 's/^([^:]*):(#include|import) "([^"]*)".*/include \1 \3/
              s/(\.grpc)?\.pb\.h$/.proto/; s/ perennial\// proto\/perennial\//'
    printf 'verdict %s\n' "${@#./}"
  } | awk '
    $1 == "content" { content[$3] = $2 }
    $1 == "include" { includes[$2] = includes[$2] " " $3 }
    function visit(file, of,    i, n, next_files) {
      if ((of, file) in seen || !(file in content)) return
      seen[of, file] = 1
      key = key " " content[file]
      n = split(includes[file], next_files, " ")
      for (i = 1; i <= n; ++i) visit(next_files[i], of)
    }
    $1 == "verdict" { key = ""; visit($2, $2); print $2, key }' |
    while read -r file key; do
      [[ -n $key ]] || die "./dev lint $file: no such file of ours"
      printf '%s %s\n' "$file" "$(sha256sum <<<"$common $key" | cut -c 1-32)"
    done
}

# FILE and the mark that it passed, a line each, for each FILE without one.
tidy_files() {
  tidy_verdicts "$@" | while read -r file hash; do
    [[ -e $lint_build/tidy/$hash ]] || printf '%s\n%s\n' "$file" "$lint_build/tidy/$hash"
  done
}

# check_tidy [FILE…]: these, else all of ours but the tests: most of what is found there is in GoogleTest's macros.
check_tidy() {
  local files
  if (($#)); then files=("$@"); else mapfile -t files < <(our_files 'model/*.cc' 'server/*.cc' 'client/*.cc'); fi
  mkdir -p "$lint_build/tidy"
  # Two arguments each: the file, and the mark that it passed.
  # shellcheck disable=SC2016  # expanded by the inner shell
  tidy_files "${files[@]}" | xargs -r -P "$(nproc)" -L 2 bash -c \
    '"$0" --quiet -p "$1" "$2" 2> >(grep -v "warnings generated" >&2) && touch "$3"' "$clang_tidy" "$lint_build" || {
    say "    (clang-tidy's complaints are above)"
    return 1
  }
}

prepare_tidy() { configure dev && cmake --build --preset dev --target perennial_proto; }

# lint [quick | FILE…]: quick leaves clang-tidy out, which takes minutes.
lint() {
  verb_setup build clang lint
  step "shellcheck" check_shell
  step "clang-format" check_format
  step "buf: style, and compatibility with proto/baseline.binpb" check_proto
  step "cargo fmt and clippy" check_rust
  [[ ${1:-} == quick ]] && return
  locked setup_clang_tidy
  step "generated code for clang-tidy" prepare_tidy
  step "clang-tidy" check_tidy "$@"
}

format() {
  verb_setup lint
  our_files '*.h' '*.cc' | xargs -r clang-format -i
  cargo fmt --manifest-path "$cargo_manifest"
  say "Formatted."
}
