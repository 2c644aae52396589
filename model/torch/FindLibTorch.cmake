# Finds libtorch (2.x) without asking for a CUDA toolkit, which the project never compiles against.
#
# Looked for, in this order: PERENNIAL_LIBTORCH (a directory that holds include/ and lib/, for example an unpacked
# libtorch or a Python environment's site-packages/torch), CMAKE_PREFIX_PATH, and what `./dev setup` unpacked.
#
# Sets LibTorch_FOUND and LibTorch_VERSION, and defines
#   LibTorch::cpu   headers, libtorch_cpu and libc10: all that is linked. CUDA is loaded at run time, if it is there.
#
# The headers count as system headers. Libraries that libtorch_cpu needs in its turn (libgomp, and CUDA's small run-time
# libraries in a CUDA build) are found through its own run path, so the linker is told not to look for them.

set(PERENNIAL_LIBTORCH "" CACHE PATH "Directory of a libtorch (include/ and lib/) to use instead of the one set up")

# A libtorch that the user names is the only place to look; an earlier answer must not hide it.
if(NOT PERENNIAL_LIBTORCH STREQUAL LibTorch_SEARCHED)
  unset(LibTorch_INCLUDE_DIR CACHE)
  unset(LibTorch_TORCH_CPU CACHE)
  unset(LibTorch_C10 CACHE)
  set(LibTorch_SEARCHED "${PERENNIAL_LIBTORCH}" CACHE INTERNAL "PERENNIAL_LIBTORCH at the last search")
endif()
if(PERENNIAL_LIBTORCH)
  set(_torch_places HINTS "${PERENNIAL_LIBTORCH}" NO_DEFAULT_PATH)
else()
  # No system directories: Debian's own libtorch is too old.
  set(_torch_places PATHS "${CMAKE_SOURCE_DIR}/.deps/libtorch/torch" NO_CMAKE_SYSTEM_PATH NO_SYSTEM_ENVIRONMENT_PATH)
endif()
find_path(LibTorch_INCLUDE_DIR ATen/core/Tensor.h PATH_SUFFIXES include ${_torch_places})
find_library(LibTorch_TORCH_CPU torch_cpu PATH_SUFFIXES lib ${_torch_places})
find_library(LibTorch_C10 c10 PATH_SUFFIXES lib ${_torch_places})
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_TORCH_CPU LibTorch_C10)
unset(_torch_places)

if(LibTorch_INCLUDE_DIR)
  foreach(_torch_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(NOT LibTorch_VERSION AND EXISTS "${LibTorch_INCLUDE_DIR}/${_torch_header}")
      file(STRINGS "${LibTorch_INCLUDE_DIR}/${_torch_header}" _torch_lines
        REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
      list(TRANSFORM _torch_lines REPLACE "[^0-9]+" "")
      list(JOIN _torch_lines "." LibTorch_VERSION)
    endif()
  endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_TORCH_CPU LibTorch_C10 LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run `./dev setup`, or name yours with -DPERENNIAL_LIBTORCH=DIR")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES
    IMPORTED_LOCATION "${LibTorch_C10}"
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_COMPILE_DEFINITIONS _GLIBCXX_USE_CXX11_ABI=1)
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES
    IMPORTED_LOCATION "${LibTorch_TORCH_CPU}"
    INTERFACE_LINK_LIBRARIES LibTorch::c10
    # Old-style run path: it also holds for the libraries that libtorch loads itself.
    INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined;LINKER:--disable-new-dtags")
endif()
