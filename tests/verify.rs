//! `infer --verify`: a model against what its card says that the right one gives.

mod common;

use common::{PACKERS, Workdir, fixture_model, repository, smollm2};
use serde_json::{Value, json};
use std::fs;

/// A copy of the tiny model whose card says these things, too.
fn carded(dir: &Workdir, name: &str, fields: &Value) -> String {
    let folder = dir.path(name);
    fs::create_dir(&folder).unwrap();
    for file in fs::read_dir(fixture_model("tiny-subset")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    let path = folder.join("card.json");
    let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (key, value) in fields.as_object().unwrap() {
        card[key] = value.clone();
    }
    fs::write(path, card.to_string()).unwrap();
    folder.display().to_string()
}

/// transformers' greedy continuations of one-symbol prompts: every next token is the arg-max, and its ln p is known.
fn continuations() -> Vec<(String, f64)> {
    let table = fs::read(repository("tests/fixtures/models/tiny.json")).unwrap();
    let table: Value = serde_json::from_slice(&table).unwrap();
    let rows: Vec<(String, f64)> = table["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| matches!(row["prompt"].as_str(), Some("3" | ">")))
        .map(|row| {
            let logprobs: Vec<f64> = serde_json::from_value(row["logprobs"].clone()).unwrap();
            let text = format!(
                "{}{}",
                row["prompt"].as_str().unwrap(),
                row["text"].as_str().unwrap()
            );
            assert_eq!(text.chars().count(), 9);
            (text, -logprobs.iter().sum::<f64>() / 8.0)
        })
        .collect();
    assert_eq!(rows.len(), 2);
    rows
}

fn published(loss: f64, accuracy: f64) -> Value {
    json!({"acceptance": {
        "kind": "next-base", "published": {"loss": loss, "accuracy": accuracy}, "source": "transformers, tiny.json"
    }})
}

#[test]
fn loss_and_accuracy_on_sequences_are_those_of_transformers() {
    let dir = Workdir::new();
    let rows = continuations();
    let loss = f64::midpoint(rows[0].1, rows[1].1);
    dir.write(
        "two.csv",
        format!("Sequence,Name\n{},a\n{},b\n", rows[0].0, rows[1].0),
    );
    // The other begins with a >, which FASTA cannot hold.
    let (first, last) = rows[0].0.split_at(4);
    dir.write("one.fa", format!(">one of two\n{first}\n{last}\n"));
    let right = carded(&dir, "right", &published(loss, 1.0));
    let alone = carded(&dir, "alone", &published(rows[0].1, 1.0));
    for (folder, file, rows) in [
        (&right, "two.csv", &rows[..]),
        (&alone, "one.fa", &rows[..1]),
    ] {
        let report = dir
            .infer("", &format!("--model {folder} --verify {file}"))
            .ok();
        let report = String::from_utf8(report).unwrap();
        assert_eq!(report.matches(": pass\n").count(), 2, "{report}");
        assert!(report.contains("transformers, tiny.json"), "{report}");
        // Each sequence has its own loss, as transformers has it.
        for (_, expected) in rows {
            let words = format!("loss {expected:.4}, accuracy 1.0000");
            assert!(report.contains(&words), "{report}");
        }
    }
    // Packed, both are read all the same.
    for (folder, file) in [(&right, "two.csv"), (&alone, "one.fa")] {
        let verify = |file: &str| dir.infer("", &format!("--model {folder} --verify {file}"));
        let bare = String::from_utf8(verify(file).ok()).unwrap();
        for (_, suffix, pack) in PACKERS {
            let (name, packed) = (format!("{file}.{suffix}"), pack(&dir.read(file)));
            dir.write(&name, &packed);
            let report = String::from_utf8(verify(&name).ok()).unwrap();
            assert_eq!(report.replace(&name, file), bare);
            dir.write(&name, &packed[..packed.len() - 3]);
            verify(&name).refused(1, &[&name, "cut-off "]);
        }
    }
    // The report, wanted in a file.
    let verify = |more: &str| dir.infer("", &format!("--model {right} --verify two.csv {more}"));
    assert_eq!(verify("-o report.txt").ok(), b"");
    assert_eq!(dir.read("report.txt"), verify("").ok());
    verify("-o two.csv").refused(2, &["two.csv: is the input two.csv"]);
    verify("-o report.txt --to csv").refused(2, &["--verify", "--to"]);
    for (name, loss, accuracy) in [("loss", loss + 0.011, 1.0), ("accuracy", loss, 0.99)] {
        let wrong = carded(&dir, name, &published(loss, accuracy));
        let ran = dir.infer("", &format!("--model {wrong} --verify two.csv"));
        ran.refused(3, &["--verify", "not what its card says"]);
        let report = String::from_utf8(ran.stdout).unwrap();
        let failed: Vec<&str> = report
            .lines()
            .filter(|line| line.ends_with("FAIL"))
            .collect();
        assert!(failed.len() == 1 && failed[0].starts_with(name), "{report}");
    }
}

#[test]
fn recorded_logits_that_are_not_the_models_fail() {
    let dir = Workdir::new();
    let recorded = |ids: Value, logits: Value| {
        json!({"recorded": {
            "reference": "nothing in particular", "input_ids": [18, 19, 19], "positions": [1, 2],
            "ids": ids, "logits": logits
        }})
    };
    // Logits that nobody gives fail, and the report says by how much.
    let wrong = carded(
        &dir,
        "wrong",
        &recorded(json!([[1], [2]]), json!([[1e3], [1e3]])),
    );
    let ran = dir.infer("", &format!("--model {wrong} --verify"));
    ran.refused(3, &["not what its card says"]);
    let report = String::from_utf8(ran.stdout).unwrap();
    assert!(
        report.contains("FAIL") && report.contains("allowed 0.005"),
        "{report}"
    );

    for (name, ids, logits, words) in [
        (
            "few",
            json!([[1]]),
            json!([[1.0]]),
            "not one logit for every id",
        ),
        (
            "beyond",
            json!([[1], [99_999]]),
            json!([[1.0], [1.0]]),
            "beyond the vocabulary",
        ),
        (
            "none",
            json!([[1], []]),
            json!([[1.0], []]),
            "not one logit for every id",
        ),
    ] {
        let folder = carded(&dir, name, &recorded(ids, logits));
        dir.infer("", &format!("--model {folder} --verify"))
            .refused(3, &["card.json", "recorded", words]);
    }
}

#[test]
fn what_cannot_be_verified_says_why() {
    let dir = Workdir::new();
    dir.write("one.fa", ">one\nACGT\n");
    dir.write("empty.fa", ">one\n\n");
    dir.write("alien.fa", ">one\nAC\u{3b1}T\n");
    dir.write("table.csv", "a,b\n1,2\n");
    let bare = fixture_model("tiny-subset");
    let card = carded(&dir, "carded", &published(1.0, 1.0));
    for (arguments, code, words) in [
        (
            format!("--model {bare} --verify"),
            3,
            ["holds nothing to verify against", "tiny-subset"],
        ),
        (
            format!("--model {bare} --verify one.fa"),
            2,
            ["no published figures", "tiny-subset"],
        ),
        (
            format!("--model {card} --verify"),
            2,
            ["give the sequences", "tiny.json"],
        ),
        (
            format!("--model {card} --verify gone.fa"),
            1,
            ["gone.fa", "No such file"],
        ),
        (
            format!("--model {card} --verify empty.fa"),
            1,
            ["empty.fa", "empty sequence"],
        ),
        (
            format!("--model {card} --verify alien.fa"),
            1,
            ["alien.fa:one", "is not one token"],
        ),
        (
            format!("--model {card} --verify table.csv"),
            1,
            ["table.csv", "neither FASTA"],
        ),
        (
            "--model builtin:mode --verify".to_owned(),
            2,
            ["builtin:mode", "no card"],
        ),
        ("--verify".to_owned(), 2, ["--model", "required"]),
    ] {
        dir.infer("", &arguments).refused(code, &words);
    }
}

#[test]
fn a_cards_warnings_reach_the_user_at_every_run() {
    let dir = Workdir::new();
    let folder = carded(
        &dir,
        "warned",
        &json!({"warnings": ["needs FP8, which nobody has"]}),
    );
    let prompts = dir.prompts(
        "--task identity --shots 1 --trials 1",
        "--alphabet linguistic",
    );
    let ran = dir.infer(prompts, &format!("--quiet --model {folder}"));
    assert_eq!(ran.code, 0, "{ran}");
    assert!(
        ran.stderr
            .contains("infer: warning: tiny-subset: needs FP8, which nobody has"),
        "{ran}"
    );
}

#[test]
fn a_real_model_gives_the_logits_that_transformers_gave() {
    let dir = Workdir::new();
    let model = smollm2();
    let report = dir.infer("", &format!("--model {model} --verify")).ok();
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("transformers 4.57.6 float32"), "{report}");
    assert!(
        report.contains("the reference's at 16 of 16 places"),
        "{report}"
    );
    assert_eq!(report.matches(": pass\n").count(), 1, "{report}");
}
