// Rust's collections. Its standard library stands between a line and malloc, so only the total is known.
use std::io::{BufRead, Write};

// A write of its own: what println needs is no part of the ledger.
fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

fn main() {
    let mut line = String::with_capacity(4096);
    let mut input = std::io::stdin().lock(); // its buffer is there before
    say("ready\n");
    input.read_line(&mut line).unwrap();
    let mut boxes: Vec<Box<[u8; 200]>> = Vec::with_capacity(1000);
    for _ in 0..1000 {
        boxes.push(Box::new([1; 200]));
    }
    let mut texts: Vec<String> = Vec::with_capacity(500);
    for _ in 0..500 {
        texts.push("x".repeat(64));
    }
    boxes.truncate(600);
    let mut grown: Vec<u64> = Vec::with_capacity(4);
    grown.reserve_exact(5000);
    // 600 boxes, 500 texts, three vectors.
    let bytes = 600 * 200 + 500 * 64 + 1000 * 8 + 500 * 24 + 5000 * 8;
    say(&format!("TOTAL 1103 {}\ndone\n", bytes));
    input.read_line(&mut line).unwrap();
    drop((boxes, texts, grown));
}
