#!/bin/sh
# sh run.sh TARGET [SECONDS]: one target with libFuzzer, without cargo-fuzz. Wants nightly Rust.
set -eu
cd "$(dirname "$0")"
target=$1
seconds=${2:-60}
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
checked="--cfg fuzzing -Cdebug-assertions -Coverflow-checks"
counted="-Cpasses=sancov-module \
 -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
 -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
longest=600
more=
case $target in
dkim | certificate) longest=2000 ;;
inspect) longest=8000 ;;
esac
case $target in
config | control) features=proxy ;;
list | origin | url | zone) features=services ;;
spf | dkim | tags | dmarc) features=auth ;;
certificate) features=certificate ;;
mailbox | results | attachment | clamd | opinion) features=filters ;;
lines) features=lines ;;
renewable | inspect) features=engine ;;
*) features= ;;
esac
case $target in
# What it looks into is all its own; counting in a compiler, too, would make it ten times slower.
renewable)
    more=-len_control=0
    RUSTFLAGS=$checked cargo +nightly rustc --release --target "$host" --bin "$target" --features "$features" -- $counted
    ;;
*)
    RUSTFLAGS="$checked $counted" cargo +nightly build --release --target "$host" --bin "$target" --features "$features"
    ;;
esac
built=${CARGO_TARGET_DIR:-target}
mkdir -p "target/corpus/$target" artifacts
exec "$built/$host/release/$target" $more "target/corpus/$target" "corpus/$target" -max_len="$longest" \
    -max_total_time="$seconds" -artifact_prefix="artifacts/$target-" -print_final_stats=1
