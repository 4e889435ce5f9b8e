#!/bin/sh
# sh run.sh TARGET [SECONDS]: one target with libFuzzer, without cargo-fuzz. Wants nightly Rust.
set -eu
cd "$(dirname "$0")"
target=$1
seconds=${2:-60}
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cdebug-assertions -Coverflow-checks -Cpasses=sancov-module \
 -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
 -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
longest=600
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
cargo +nightly build --release --target "$host" --bin "$target" --features "$features"
built=${CARGO_TARGET_DIR:-target}
mkdir -p "target/corpus/$target" artifacts
exec "$built/$host/release/$target" "target/corpus/$target" "corpus/$target" -max_len="$longest" \
    -max_total_time="$seconds" -artifact_prefix="artifacts/$target-" -print_final_stats=1
