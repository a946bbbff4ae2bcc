module pratique.dev/tests/bench/loadgen

go 1.26
