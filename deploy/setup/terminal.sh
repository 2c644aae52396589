# shellcheck shell=bash
# What the scripts say while they work. All of it goes to standard error; colours only on a terminal.

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

# say TEXT: one line.
say() { printf '%s\n' "$*" >&2; }

# die TEXT…: what is wrong (first) and what to do (the rest, a line each); ends the program.
die() {
  say "${red}$1${plain}"
  shift
  local line
  for line in "$@"; do say "  $line"; done
  exit 1
}

# step TITLE COMMAND…: runs the command under a heading and says how long it took.
step() {
  local title=$1 begin=$SECONDS
  shift
  say "${bold}==> $title${plain}"
  "$@" || die "failed: $title"
  say "    ${green}done${plain} ${dim}in $((SECONDS - begin)) s${plain}"
}

# ready TEXT: something that needs no work.
ready() { say "${dim}  ok $*${plain}"; }
