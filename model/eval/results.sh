#!/usr/bin/env bash
# Makes the figures of docs/results/: the paper's tables and figures on the default model. One part at a time or all:
#
#   model/eval/results.sh prepare CORPORA TEXTS     unpack the texts (see texts below) into the directory TEXTS, once
#   model/eval/results.sh TEXTS PART… [-- FLAGS]    measure; FLAGS go to every call, e.g. -- --device=cuda
#   model/eval/results.sh plots                     draw what is in docs/results/
#
# Parts, with the seconds that each takes on an H200 (estimated from 25,700 tokens/s of prefill and 9.4 ms a decoded
# token) and on two processors:
#   perplexity   dense, window, sinks, newlines, re-computation; 16,000 tokens, cache of 1,024        60 s    40 min
#   sinks        0, 1, 2, 4, 8 sinks; 32,000 tokens, cache of 1,024                                   20 s    15 min
#   cache-size   256 … 4,096; 32,000 tokens                                                           25 s    20 min
#   speed        a decoded token against re-computation, 256 … 4,096                                   8 s     5 min
#   length       4,000,000 tokens in one stream, four blocks of 100,000 also from an empty cache     300 s    hours
#   recall       600 lines, with and without notes                                                    40 s     8 min
#   qa           short questions in one conversation and each on its own                              30 s     5 min
#   advise       {0, 1, 4} sinks, caches of 256 … 2,048; 8,000 tokens                                 15 s    10 min
#   all          all of them                                                                         500 s
#   gemma        perplexity and sinks of Gemma 3 270M (./dev setup gemma); 8,000 tokens, cache of 1,024         15 min
#
# PERENNIAL_EVAL is the program (build/release/bin/perennial-eval), PERENNIAL_MODEL and PERENNIAL_GEMMA are the models (the
# default one, and what ./dev setup fetched), PERENNIAL_RESULTS is where results go (docs/results).
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=${PERENNIAL_EVAL:-$top/build/release/bin/perennial-eval}
model=${PERENNIAL_MODEL:-$top/.deps/models/SmolLM2-135M-Instruct.Q4_1.gguf}
gemma=${PERENNIAL_GEMMA:-$top/.deps/models/gemma-3-270m-q4_k_m.gguf}
results=${PERENNIAL_RESULTS:-$top/docs/results}

usage() {
  sed -n '2,22p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2
  exit 2
}

# prepare CORPORA TEXTS: war-and-peace.txt, novels/*.txt and questions.jsonl. The questions are those of the self-instruct
# seeds (Apache-2.0) that have an answer of at most 120 characters.
prepare() {
  mkdir -p "$2/novels"
  python3 - "$1" "$2" <<'END'
import json, lzma, pathlib, sys, tarfile
corpora, texts = map(pathlib.Path, sys.argv[1:])
(texts / "war-and-peace.txt").write_bytes(lzma.open(corpora / "war-and-peace.txt.xz").read())
with tarfile.open(corpora / "english-novels.tar.xz") as archive:
    for member in archive:
        if member.name.endswith(".txt"):
            (texts / "novels" / pathlib.Path(member.name).name).write_bytes(archive.extractfile(member).read())
with open(texts / "questions.jsonl", "w", encoding="utf-8") as out:
    for line in lzma.open(corpora / "self-instruct-seeds.jsonl.xz", "rt", encoding="utf-8"):
        task = json.loads(line)
        for instance in task["instances"]:
            question = "\n".join(part for part in (task["instruction"], instance["input"]) if part)
            answer = instance["output"].strip()
            if answer and len(answer) <= 120 and len(question) <= 2000:
                out.write(json.dumps({"question": question, "answer": answer}) + "\n")
END
  wc -c "$2"/war-and-peace.txt "$2"/questions.jsonl
  find "$2/novels" -name "*.txt" | wc -l
}

# measure NAME MODE FLAG…: writes docs/results/NAME.json. `more` are the user's flags.
measure() {
  local name=$1
  shift
  local start=$SECONDS
  "$program" "$@" --model="$model" --save="$results/$name.json" "${more[@]}"
  printf '\n--- %s: %d s\n\n' "$name" "$((SECONDS - start))"
}

part() {
  local book=$texts/war-and-peace.txt
  case $1 in
    perplexity)
      measure perplexity perplexity --text="$book" --tokens=16000 --cache_tokens=1024 --chunk_tokens=1024 \
        --attention=dense,window,sinks,newlines,recompute --recompute_every=10 --allow_untrained_length
      ;;
    sinks) measure sinks sinks --text="$book" --tokens=32000 --cache_tokens=1024 --chunk_tokens=512 ;;
    cache-size)
      measure cache-size cache-size --text="$book" --tokens=32000 --chunk_tokens=512 --timed_tokens=50
      ;;
    speed) measure speed speed --text="$book" ;;
    length)
      # The novels first, in the order of their names, then War and Peace: more than is needed, nothing twice.
      measure length length --text="$texts/novels,$book" --tokens=4000001 --score_every=8
      ;;
    recall) measure recall recall --lines=600 ;;
    qa) measure qa qa --questions="$texts/questions.jsonl" --cache_tokens=512 ;;
    advise) measure advise advise --text="$book" --tokens=8000 --chunk_tokens=512 --timed_tokens=50 ;;
    gemma)
      # It was trained with BOS before every text.
      local model=$gemma more=("${more[@]}" --bos --tokens=8000 --cache_tokens=1024 --chunk_tokens=512)
      measure gemma-perplexity perplexity --text="$book" --attention=dense,window,sinks,newlines
      measure gemma-sinks sinks --text="$book"
      ;;
    *) usage ;;
  esac
}

plots() {
  local name python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import matplotlib' 2>/dev/null && break
  done
  for name in perplexity sinks cache-size speed length recall qa advise gemma-perplexity gemma-sinks speed-cpu; do
    [[ -e $results/$name.json ]] || continue
    "$python" "$top/model/eval/plot.py" "$results/$name.json" "$results/$name.png"
    echo "$results/$name.png"
  done
}

(($#)) || usage
case $1 in
  prepare) (($# == 3)) || usage; prepare "$2" "$3"; exit ;;
  plots) plots; exit ;;
esac
(($# >= 2)) || usage
texts=$1
shift
parts=()
while (($#)) && [[ $1 != -- ]]; do
  if [[ $1 == all ]]; then
    parts+=(perplexity sinks cache-size speed length recall qa advise)
  else
    parts+=("$1")
  fi
  shift
done
more=("${@:2}")
mkdir -p "$results"
for name in "${parts[@]}"; do part "$name"; done
