//! Tests of `figure`.

mod common;
#[path = "figure/page.rs"]
mod page;

use common::{Workdir, assert_close, csv_rows, json_lines, repository, sha256, to_lines};
use page::classed;
use resvg::usvg::roxmltree::Document;
use serde_json::json;
use std::collections::HashSet;

const SCORES: &str = "\
model,modality,shots,accuracy,se,mode_accuracy,mode_se
evo,genomic,1,0.12,0.02,0.19,0.03
evo,genomic,8,0.22,0.03,0.19,0.03
evo,genomic,64,0.33,0.03,0.18,0.03
qwen,linguistic,1,0.13,0.02,0.19,0.03
qwen,linguistic,8,0.19,0.02,0.19,0.03
qwen,linguistic,64,0.25,0.03,0.18,0.03
";

/// A folder with `scores.csv`.
fn with_scores() -> Workdir {
    let dir = Workdir::new();
    dir.write("scores.csv", SCORES);
    dir
}

/// The SVG that `figure` with these arguments draws from `input`.
fn draw(input: &str, words: &str) -> String {
    let dir = Workdir::new();
    dir.pipe(input, "figure", &format!("{words} -o out.svg"))
        .ok();
    String::from_utf8(dir.read("out.svg")).unwrap()
}

/// The SVG of `figure curve`.
fn svg(input: &str, arguments: &str) -> String {
    draw(input, &format!("curve {arguments}"))
}

/// Width, height and colours of a PNG. Checks that it states a resolution of `dpi`.
fn decode(png: &[u8], dpi: f64) -> (u32, u32, HashSet<[u8; 3]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let stated = reader.info().pixel_dims.unwrap();
    assert_close(f64::from(stated.xppu) * 0.0254, dpi, 0.02);
    assert_eq!(stated.xppu, stated.yppu);
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(
        (info.color_type, info.bit_depth),
        (png::ColorType::Rgb, png::BitDepth::Eight)
    );
    let colours = pixels[..info.buffer_size()]
        .chunks_exact(3)
        .map(|p| [p[0], p[1], p[2]]);
    (info.width, info.height, colours.collect())
}

#[test]
fn a_curve_is_drawn_as_svg_and_png_of_the_size_asked_for() {
    let dir = with_scores();
    dir.run(
        "figure",
        "curve scores.csv -o a.svg -o a.png --width-mm 89 --height-mm 70 --dpi 150",
    )
    .ok();
    assert_eq!(dir.names(), ["a.png", "a.svg", "scores.csv"]);
    let (width, height, colours) = decode(&dir.read("a.png"), 150.0);
    // 89 mm and 70 mm at 150 dots per 25.4 mm.
    assert_eq!((width, height), (526, 413));
    // The colours of the page and of both models.
    for colour in [[255; 3], [0x00, 0x72, 0xb2], [0xd5, 0x5e, 0x00]] {
        assert!(colours.contains(&colour), "{colour:?}");
    }
    let text = String::from_utf8(dir.read("a.svg")).unwrap();
    let tree = resvg::usvg::Tree::from_str(&text, &resvg::usvg::Options::default()).unwrap();
    // The unit of usvg is 1/96 of an inch.
    assert_close(f64::from(tree.size().width()), 89.0 / 25.4 * 96.0, 0.6);
    assert_close(f64::from(tree.size().height()), 70.0 / 25.4 * 96.0, 0.6);
}

#[test]
fn the_default_is_two_journal_columns_at_300_dots_an_inch() {
    let dir = with_scores();
    dir.run("figure", "curve scores.csv -o a.PNG").ok();
    let (width, height, _) = decode(&dir.read("a.PNG"), 300.0);
    assert_eq!((width, height), (2161, 1063));
}

#[test]
fn a_picture_has_the_same_bytes_every_time() {
    let draw = || {
        let dir = with_scores();
        dir.run(
            "figure",
            "curve scores.csv -o a.svg -o a.png --title Learning",
        )
        .ok();
        [dir.read("a.svg"), dir.read("a.png")]
    };
    let first = draw();
    assert!(first.iter().all(|picture| picture.len() > 1000));
    assert_eq!(draw(), first);
    // The order of the points does not matter.
    let (head, rows) = SCORES.split_once('\n').unwrap();
    let (evo, qwen) = rows.split_at(rows.find("qwen").unwrap());
    let turned = |rows: &str| rows.lines().rev().collect::<Vec<_>>().join("\n");
    let turned = format!("{head}\n{}\n{}\n", turned(evo), turned(qwen));
    assert_eq!(svg(&turned, ""), svg(SCORES, ""));
}

#[test]
fn what_is_asked_for_changes_the_picture() {
    let plain = svg(SCORES, "");
    let variants = [
        svg(SCORES, "--no-fit"),
        svg(SCORES, "--title Learning"),
        svg(SCORES, "--y-max 1"),
        svg(SCORES, "--width-mm 120"),
        svg(SCORES, "--height-mm 60"),
        svg(&SCORES.replace("0.33", "0.34"), ""),
        svg(&SCORES.replace("evo", "Evo"), ""),
        // Without its columns, the mode baseline is not drawn.
        svg(&SCORES.replace("mode_", "other_"), ""),
        // Baselines and models look different.
        svg(&SCORES.replace("linguistic", "baseline"), ""),
        // Without standard errors there are no error bars.
        svg(&SCORES.replace("se,mode", "x,mode"), ""),
    ];
    let different: HashSet<&String> = variants.iter().chain([&plain]).collect();
    assert_eq!(different.len(), variants.len() + 1);
}

#[test]
fn the_mode_baseline_is_drawn_once() {
    let with_mode = format!(
        "{SCORES}builtin:mode,baseline,1,0.19,0.03,,\nbuiltin:mode,baseline,64,0.18,0.03,,\n"
    );
    let without_columns = with_mode.replace("mode_", "other_");
    assert_eq!(svg(&with_mode, ""), svg(&without_columns, ""));
}

#[test]
fn every_format_of_the_same_scores_gives_the_same_picture() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 1,4,16 --trials 2",
        "--alphabet genomic",
    );
    let predictions = dir.pipe(prompts, "infer", "--model builtin:nearest").ok();
    dir.write("p.jsonl", predictions);
    let mut pictures = Vec::new();
    for to in ["csv", "jsonl", "arrow", "parquet"] {
        dir.run("score", &format!("p.jsonl -o scores.{to}")).ok();
        dir.run("figure", &format!("curve scores.{to} -o {to}.svg"))
            .ok();
        pictures.push(dir.read(&format!("{to}.svg")));
    }
    assert!(pictures[0].len() > 1000);
    assert!(pictures.iter().all(|p| *p == pictures[0]));
}

#[test]
fn several_files_make_one_picture() {
    let dir = with_scores();
    let (head, rows) = SCORES.split_once('\n').unwrap();
    let (evo, qwen) = rows.split_at(rows.find("qwen").unwrap());
    dir.write("evo.csv", format!("{head}\n{evo}"));
    dir.write("qwen.csv", format!("{head}\n{qwen}"));
    dir.run("figure", "curve evo.csv qwen.csv -o two.svg").ok();
    dir.run("figure", "curve scores.csv -o one.svg").ok();
    assert_eq!(dir.read("two.svg"), dir.read("one.svg"));
}

#[test]
fn one_point_and_zero_shots_can_be_drawn() {
    for rows in [
        "a,1,0.5\n",
        "a,0,0.1\na,1,0.5\na,2,0.6\n",
        "a,0,0\n",
        "a,1,1\na,1000,1\n",
    ] {
        let picture = svg(&format!("model,shots,accuracy\n{rows}"), "");
        resvg::usvg::Tree::from_str(&picture, &resvg::usvg::Options::default()).unwrap();
    }
}

#[test]
fn a_name_that_the_typeface_lacks_is_drawn_with_a_warning() {
    let dir = Workdir::new();
    let ran = dir.pipe(
        "model,shots,accuracy\nモデルモ,1,0.5\n",
        "figure",
        "curve -o a.svg",
    );
    let warning = "figure: warning: the typeface lacks \"モデル\"; drawn as boxes\n";
    assert_eq!(ran.stderr, warning, "{ran}");
    ran.loud_ok();
}

#[test]
fn what_no_picture_can_be_is_a_usage_error() {
    let dir = with_scores();
    let before = dir.names();
    for (arguments, words) in [
        ("curve scores.csv", ["--output", "required"]),
        (
            "scores.csv -o a.svg",
            ["unrecognized subcommand", "scores.csv"],
        ),
        (
            "curve scores.csv -o a.pdf",
            ["-o a.pdf", "ends in .svg or .png"],
        ),
        (
            "curve scores.csv -o a.svg -o b",
            ["-o b", "ends in .svg or .png"],
        ),
        ("curve scores.csv -o -", ["-o -", "ends in .svg or .png"]),
        (
            "curve scores.csv -o a.svg --width-mm 0",
            ["width of the figure: 0 mm", "more than 0"],
        ),
        (
            "curve scores.csv -o a.svg --width-mm=-5",
            ["width of the figure: -5 mm", "more than 0"],
        ),
        (
            "curve scores.csv -o a.svg --width-mm nan",
            ["width of the figure: NaN mm", "more than 0"],
        ),
        (
            "curve scores.csv -o a.svg --height-mm inf",
            ["height of the figure: inf mm", "at most"],
        ),
        (
            "curve scores.csv -o a.svg --height-mm 1e9",
            ["height of the figure: 1000000000 mm", "at most"],
        ),
        (
            "curve scores.csv -o a.svg --width-mm 12 --height-mm 12",
            ["no room", "enlarge it"],
        ),
        (
            "curve scores.csv -o a.svg --y-max 2",
            ["axes of shares: 2", "at most 1"],
        ),
        (
            "curve scores.csv -o a.svg --y-max 0",
            ["axes of shares: 0", "more than 0"],
        ),
        (
            "curve scores.csv -o a.svg --y-max nan",
            ["axes of shares: NaN", "more than 0"],
        ),
        (
            "curve scores.csv -o a.png --dpi 0",
            ["0 dots per inch", "expected 1 to 10000"],
        ),
        (
            "curve scores.csv -o a.png --dpi=-1",
            ["-1 dots per inch", "expected 1 to 10000"],
        ),
        (
            "curve scores.csv -o a.png --dpi nan",
            ["NaN dots per inch", "expected 1 to 10000"],
        ),
        (
            "curve scores.csv -o a.png --dpi inf",
            ["inf dots per inch", "expected 1 to 10000"],
        ),
        (
            "curve scores.csv -o a.png --dpi 9999",
            ["at 9999 dots per inch", "more than"],
        ),
    ] {
        dir.run("figure", arguments).refused(2, &words);
        assert_eq!(dir.names(), before, "{arguments}");
    }
}

#[test]
fn scores_that_cannot_be_drawn_are_refused_by_their_place() {
    let dir = Workdir::new();
    dir.write("good.csv", SCORES);
    for (file, contents, words) in [
        (
            "nan.csv",
            "model,shots,accuracy\na,1,NaN\n".to_owned(),
            "nan.csv:2: column \"accuracy\": expected a number, found NaN",
        ),
        (
            "high.csv",
            "model,shots,accuracy\na,1,0.5\na,2,1.2\n".to_owned(),
            "high.csv:3: column \"accuracy\": expected 0..1, found 1.2",
        ),
        (
            "low.csv",
            "model,shots,accuracy\na,1,-1e-9\n".to_owned(),
            "low.csv:2: column \"accuracy\": expected 0..1",
        ),
        (
            "task.csv",
            "model,shots,accuracy,function\na,1,0.5,identity\n".to_owned(),
            "task.csv:2: expected scores of cells (`score`), found scores of single functions (`score --by task`)",
        ),
        (
            "json.jsonl",
            "{\"model\":\"a\",\"shots\":1,\"accuracy\":2}\n".to_owned(),
            "json.jsonl:1: column \"accuracy\": expected 0..1, found 2",
        ),
        (
            "twice.csv",
            "model,modality,shots,accuracy\nevo,genomic,8,0.3\n".to_owned(),
            "the same cell appears twice, in good.csv:3 and in twice.csv:2",
        ),
        (
            "fits.csv",
            "model,a0,a1,points\na,0.1,0.02,8\n".to_owned(),
            "fits.csv:2: expected scores of cells (`score`), found fits (`fit-loglinear`)",
        ),
    ] {
        dir.write(file, contents);
        let before = dir.names();
        dir.run(
            "figure",
            &format!("curve good.csv {file} -o a.svg -o a.png"),
        )
        .refused(1, &[words]);
        assert_eq!(dir.names(), before, "{file}");
    }
}

#[test]
fn a_picture_that_cannot_be_leaves_the_others_out_too() {
    let dir = with_scores();
    for (outputs, code, words) in [
        (
            "-o gone/a.svg -o b.svg",
            1,
            "gone/a.svg: the folder gone does not exist",
        ),
        (
            "-o b.svg -o gone/a.svg",
            1,
            "gone/a.svg: the folder gone does not exist",
        ),
        ("-o b.svg -o c.png --dpi 0", 2, "0 dots per inch"),
    ] {
        dir.run("figure", &format!("curve scores.csv {outputs}"))
            .refused(code, &[words]);
        assert_eq!(dir.names(), ["scores.csv"], "{outputs}");
    }
}

#[test]
fn scores_of_a_baseline_run_draw_without_a_word() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 0,1,4 --trials 2",
        "--alphabet genomic",
    );
    let predictions = dir.pipe(prompts, "infer", "--model builtin:bayes").ok();
    let mut records = json_lines(&predictions);
    for p in &mut records {
        p["model"] = json!("a model");
        p["modality"] = json!("genomic");
    }
    let scores = dir.pipe(to_lines(&records), "score", "--to parquet").ok();
    dir.pipe(scores, "figure", "curve -o a.png").ok();
    let (_, _, colours) = decode(&dir.read("a.png"), 300.0);
    assert!(colours.len() > 50);
}

/// The golden figures of the fixtures, with the arguments that draw them.
const FIGURES: [(&str, &str); 16] = [
    ("curve", "curve scores.csv"),
    (
        "published",
        "curve scores.csv --published evo2_7b,Qwen3-14B-Base --no-fit",
    ),
    ("families", "families scores.csv"),
    ("size", "size scores.csv"),
    ("gap-size", "size contrast-sizes.csv"),
    ("coefficients", "coefficients fits.csv"),
    ("bitload", "bitload bitload.csv"),
    ("bitdiversity", "bitdiversity bitdiversity.csv"),
    ("zero-bd", "zero-bd counts.csv"),
    ("understandable", "understandable counts.csv"),
    ("errors", "errors errors.csv"),
    ("contrast", "contrast contrasts.csv"),
    ("tasks", "tasks contrast-tasks.csv"),
    ("groups", "groups contrast-groups.csv"),
    ("shapes", "shapes shapes.csv shape-scores.csv"),
    ("similarity", "similarity profiles.csv"),
];

/// A folder with the tables that the figures are drawn from.
fn with_fixtures() -> Workdir {
    let dir = Workdir::new();
    for file in std::fs::read_dir(repository("tests/fixtures/figures")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            dir.write(
                path.file_name().unwrap().to_str().unwrap(),
                std::fs::read(&path).unwrap(),
            );
        }
    }
    dir
}

/// A picture without the outlines of its letters. The labels say the same.
fn without_outlines(svg: &str) -> String {
    let shorter = svg
        .lines()
        .map(|line| match line.strip_prefix("<path d=\"") {
            Some(rest) if line.contains("aria-label") => {
                let start: String = rest
                    .chars()
                    .take_while(|c| *c != 'L' && *c != 'Q')
                    .collect();
                let end = rest.find('"').unwrap();
                format!("<path d=\"{start}{}\n", &rest[end..])
            }
            _ => format!("{line}\n"),
        });
    shorter.collect()
}

#[test]
fn every_figure_is_what_it_was() {
    let dir = with_fixtures();
    for (name, words) in FIGURES {
        dir.run("figure", &format!("{words} -o {name}.svg")).ok();
        let drawn = without_outlines(&String::from_utf8(dir.read(&format!("{name}.svg"))).unwrap());
        let golden = repository(&format!("tests/fixtures/figures/golden/{name}.svg"));
        // `SHOTLINE_BLESS=1 cargo test --release --test figure` overwrites the golden figures: look at them first.
        if std::env::var_os("SHOTLINE_BLESS").is_some() {
            std::fs::write(&golden, &drawn).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        let differing = drawn.lines().zip(expected.lines()).find(|(a, b)| a != b);
        assert!(
            drawn == expected,
            "{name}: {differing:?}; if it is right: SHOTLINE_BLESS=1"
        );
    }
}

#[test]
fn results_of_another_sort_are_refused_with_the_filter_that_makes_the_right_one() {
    let dir = with_fixtures();
    for (arguments, words) in [
        (
            "coefficients scores.csv -o a.svg",
            [
                "scores.csv:2: expected fits (`fit-loglinear`)",
                "found scores of cells (`score`)",
            ],
        ),
        (
            "curve fits.csv -o a.svg",
            ["expected scores of cells (`score`)", "found fits"],
        ),
        (
            "bitload scores.csv -o a.svg",
            ["`score --by bitload`", "found scores of cells"],
        ),
        (
            "bitdiversity bitload.csv -o a.svg",
            ["`score --by bitdiversity`", "found scores by BitLoad"],
        ),
        (
            "tasks contrasts.csv -o a.svg",
            ["`contrast --by task`", "found contrasts of conditions"],
        ),
        (
            "contrast contrast-tasks.csv -o a.svg",
            ["(`contrast`)", "`contrast --by task`"],
        ),
        (
            "shapes shapes.csv scores.csv -o a.svg",
            [
                "no scores of the curve that has shapes",
                "the table of `score`",
            ],
        ),
        (
            "groups contrasts.csv -o a.svg",
            ["--by group", "found contrasts of conditions"],
        ),
        (
            "tasks contrast-groups.csv -o a.svg",
            [
                "`contrast --by task`",
                "found contrasts of groups of functions",
            ],
        ),
        (
            "similarity contrasts.csv -o a.svg",
            ["`contrast --profiles`", "found contrasts"],
        ),
        (
            "zero-bd scores.csv -o a.svg",
            ["column \"zero_bd_targets\"", "`score`"],
        ),
        (
            "understandable scores.csv -o a.svg",
            ["column \"understandable\"", "`infer` without --slim"],
        ),
        (
            "size counts.csv -o a.svg",
            ["column \"params\"", "infer --params"],
        ),
        (
            "size scores.csv contrasts.csv -o a.svg",
            ["scores and contrasts", "give one of them"],
        ),
        (
            "size scores.csv --shots 3 -o a.svg",
            ["no score at 3 shots", "evo2_1b_base"],
        ),
    ] {
        dir.run("figure", arguments).refused(1, &words);
    }
    dir.run("figure", "curve scores.csv --published gpt-9 -o a.svg")
        .refused(2, &["--published gpt-9", "evo2"]);
    let prompts = dir.prompts("--task rotl1 --shots 2 --trials 1", "--alphabet genomic");
    let predictions = dir.pipe(prompts, "infer", "--model builtin:copy").ok();
    dir.write("p.jsonl", predictions);
    let prompts = dir.prompts("--task rotl1 --shots 2 --trials 1", "--alphabet genomic");
    dir.pipe(
        prompts,
        "infer",
        "--model builtin:copy --quiet -o p.parquet",
    )
    .ok();
    for file in ["p.jsonl", "p.parquet"] {
        dir.run("figure", &format!("curve {file} -o a.svg"))
            .refused(1, &[file, "column \"correct\": a prediction", "`score`"]);
    }
    assert!(!dir.names().contains(&"a.svg".to_owned()));
}

#[test]
fn what_no_axis_holds_is_refused_by_series_and_place() {
    let fits = "model,params,a0,a1,points,group,a1_ci_low,a1_ci_high\n";
    let scores = "model,shots,accuracy,trials,understandable,zero_bd_targets,ci_low,ci_high\n";
    for (figure, head, row, words) in [
        (
            "understandable",
            scores,
            "m,1,0.5,4,6,1,,",
            "series \"m\", 1 shot: Understandable mistakes 1.5, expected 0 to 1",
        ),
        (
            "zero-bd",
            scores,
            "m,1,0.5,,6,1,,",
            "nothing to draw: no series has a point",
        ),
        (
            "curve",
            scores,
            "m,4,0.5,4,1,1,0.3,0.2",
            "series \"m\", 4 shots: interval from 0.3 to 0.2, expected two numbers in ascending order",
        ),
        (
            "coefficients",
            fits,
            "m,1e9,1e200,0.1,4,,,",
            "1B parameters: a0 1",
        ),
        (
            "groups",
            fits,
            "m,1e9,0.1,0.1,4,copies,2,1",
            "series \"m\", copies: interval from 2 to 1, expected two numbers in ascending order",
        ),
        (
            "coefficients",
            fits,
            "m,0,0.1,0.1,4,,,",
            "series \"m\", 0 parameters: expected a number above 0",
        ),
    ] {
        let dir = Workdir::new();
        dir.write("rows.csv", format!("{head}{row}\n"));
        dir.run("figure", &format!("{figure} rows.csv -o a.svg"))
            .refused(1, &[words]);
    }
}

#[test]
fn families_are_by_name_or_by_prefix() {
    let dir = with_fixtures();
    let titles = |arguments: &str| {
        dir.run(
            "figure",
            &format!("families scores.csv -o a.svg {arguments}"),
        )
        .ok();
        let svg = String::from_utf8(dir.read("a.svg")).unwrap();
        svg.matches("<g class=\"panel\">").count()
    };
    assert_eq!(titles(""), 2);
    assert_eq!(titles("--family small=Qwen3-0.6B --family Qwen=Qwen3"), 3);
}

#[test]
fn a_report_is_one_page_with_figures_tables_and_provenance() {
    let dir = with_fixtures();
    let prompts = dir.prompts(
        "--suite primitives --shots 1,4 --trials 2",
        "--alphabet genomic",
    );
    dir.write(
        "p.jsonl",
        dir.pipe(prompts, "infer", "--model builtin:nearest").ok(),
    );
    dir.run("score", "p.jsonl -o mine.csv").ok();
    let files = "scores.csv fits.csv bitload.csv bitdiversity.csv contrasts.csv contrast-tasks.csv profiles.csv mine.csv";
    std::fs::create_dir(dir.path("figures")).unwrap();
    dir.run(
        "figure",
        &format!("report {files} --figures figures -o report.html"),
    )
    .ok();
    let html = String::from_utf8(dir.read("report.html")).unwrap();
    let pictures = std::fs::read_dir(dir.path("figures")).unwrap().count();
    assert_eq!(pictures, 2 * html.matches("<svg").count());
    assert!(html.matches("<table").count() >= 7);
    assert!(
        html.contains("score p.jsonl -o mine.csv") && html.contains("figure report scores.csv")
    );
    assert!(html.contains(&sha256(&dir.read("scores.csv"))));
    // The page loads nothing from outside.
    for word in [
        "src=",
        "@import",
        "url(",
        "<link rel=\"stylesheet\"",
        "https://",
        "<img",
    ] {
        assert!(!html.contains(word), "{word}");
    }
}

#[test]
fn a_report_holds_tables_of_every_sort_from_every_format() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 2,4,8 --trials 2 --condition clean,deranged",
        "--alphabet genomic",
    );
    for model in ["nearest", "mode"] {
        let predictions = dir
            .pipe(
                prompts.clone(),
                "infer",
                &format!("--model builtin:{model}"),
            )
            .ok();
        dir.write(&format!("{model}.jsonl"), predictions);
    }
    let both = "nearest.jsonl mode.jsonl";
    let sorts = [
        ("score", "", "Scores"),
        ("score", "--by task", "Scores of functions"),
        ("score", "--by bitload", "Scores by BitLoad"),
        ("score", "--by bitdiversity", "Scores by BitDiversity"),
        ("score", "--errors", "Kinds of wrong answers"),
        ("score", "--power .01", "Designs for a wanted error"),
        ("fit-loglinear", "", "Fits"),
        ("contrast", "", "Contrasts: clean against deranged"),
        ("fit-loglinear", "--shape", "Shapes of curves"),
        ("contrast", "--by task", "Contrasts of functions"),
        ("contrast", "--by group", "Contrasts of groups"),
        ("score", "--by group", "Scores of groups"),
        ("fit-loglinear", "--by group", "Fits of groups"),
        ("contrast", "--models", "Model against model"),
        (
            "contrast",
            "--models --by task",
            "Model against model, by function",
        ),
        (
            "contrast",
            "--profiles --permutations 99",
            "Correlations of profiles",
        ),
    ];
    for to in ["csv", "jsonl", "arrow", "parquet"] {
        for (filter, arguments, heading) in sorts {
            let file = format!("results.{to}");
            // If a BitLoad has only one function, the filter warns.
            dir.run(filter, &format!("{arguments} {both} -o {file}"))
                .loud_ok();
            dir.run("figure", &format!("report {file} -o report.html"))
                .ok();
            let html = String::from_utf8(dir.read("report.html")).unwrap();
            assert!(
                html.contains(&format!("<h2>{heading}")),
                "{file}: {heading}"
            );
            assert_eq!(html.matches("<table").count(), 1, "{file}: {heading}");
        }
    }
}

/// Wrong data make the whole report fail. (Missing data would only leave out a figure.)
#[test]
fn two_correlations_of_one_pair_are_refused() {
    let dir = Workdir::new();
    let pairs = std::fs::read_to_string(repository("tests/fixtures/figures/profiles.csv")).unwrap();
    let first = pairs.lines().nth(1).unwrap();
    dir.write("twice.csv", format!("{pairs}{first}\n"));
    for figure in [
        "similarity twice.csv -o a.svg",
        "report twice.csv -o r.html",
    ] {
        dir.run("figure", figure)
            .refused(1, &["expected one correlation of two models"]);
    }
}

#[test]
fn a_report_escapes_whatever_a_model_is_called() {
    let dir = Workdir::new();
    let name = "</style></script><script>alert('1')</script><img src=x onerror=alert(2)>";
    dir.write("scores.csv", SCORES.replace("evo", name));
    let step = json!({
        "program": name, "version": name, "time": name, "command": [name],
        "device": name, "runtime": name, "model_sha256": name, "seed": 1,
    });
    dir.write("scores.csv.provenance.json", json!([step]).to_string());
    let title = "</title><script>alert(3)</script>".to_owned();
    let arguments = ["report", "scores.csv", "-o", "r.html", "--title", &title];
    dir.run("figure", arguments.map(String::from).to_vec()).ok();
    let html = String::from_utf8(dir.read("r.html")).unwrap();
    for (tag, count) in [
        ("<script", 1),
        ("</script>", 1),
        ("</style>", 1),
        ("<img", 0),
        ("<?xml", 0),
    ] {
        assert_eq!(html.matches(tag).count(), count, "{tag}");
    }
    // The command is quoted for a shell.
    assert!(html.contains("&lt;script&gt;alert('\\''1'\\'')&lt;/script&gt;&lt;img src=x"));
    // Characters that XML forbids become U+FFFD. All others are read back unchanged.
    let name = "<script>&'\t]]> \u{1} \u{ffff} \u{1f9ec}";
    let scores = SCORES.replace("evo", name);
    dir.pipe(scores, "figure", "curve -o a.svg").loud_ok();
    let svg = String::from_utf8(dir.read("a.svg")).unwrap();
    assert!(!svg.contains("<script"));
    let document = Document::parse(&svg).unwrap();
    let name = name.replace(['\u{1}', '\u{ffff}'], "\u{fffd}");
    let label = classed(&document, "label")[0];
    assert_eq!(page::title(&label), name);
    let text = label.children().find_map(|n| n.attribute("aria-label"));
    assert_eq!(text, Some(name.as_str()));
}

/// Once, every shorter length of a long name was tried: a name of 92 kB took 100 s.
#[test]
fn a_name_of_any_length_is_drawn_in_short() {
    let dir = Workdir::new();
    dir.write(
        "scores.csv",
        SCORES.replace("evo", &"Evo-2 ".repeat(200_000)),
    );
    dir.run("figure", "curve scores.csv -o a.svg -o a.png").ok();
    let picture = String::from_utf8(dir.read("a.svg")).unwrap();
    let labels = picture.split("aria-label=\"").skip(1);
    // The shortened label keeps both ends of the name.
    let label = labels
        .map(|rest| rest.split('"').next().unwrap())
        .find(|label| label.starts_with("Evo-2 Evo-2") && label.trim_end().ends_with("Evo-2"))
        .unwrap();
    assert!(label.contains('…') && label.len() < 500, "{}", label.len());
}

#[test]
fn what_no_report_can_be_is_refused() {
    let dir = with_fixtures();
    let before = dir.names();
    dir.run("figure", "report scores.csv -o report.pdf")
        .refused(2, &["ends in .html"]);
    dir.run("figure", "report gone.csv -o report.html")
        .refused(1, &["gone.csv"]);
    dir.run("figure", "report scores.csv --figures gone -o report.html")
        .refused(1, &["gone", "does not exist"]);
    dir.write("scores.csv.provenance.json", "{");
    dir.run("figure", "report scores.csv -o report.html")
        .refused(1, &["scores.csv.provenance.json", "not a provenance chain"]);
    assert_eq!(dir.names().len(), before.len() + 1);
}

#[test]
fn a_report_leaves_out_a_figure_that_cannot_be_drawn_and_says_why() {
    let dir = Workdir::new();
    // The models have sizes, but no shot count in common.
    dir.write(
        "sizes.csv",
        "model,modality,params,shots,accuracy,se\n\
         a-1,linguistic,1e9,1,0.1,0.02\na-1,linguistic,1e9,8,0.2,0.02\n\
         a-2,linguistic,2e9,2,0.1,0.02\na-2,linguistic,2e9,16,0.2,0.02\n",
    );
    // More models than a page has room for.
    let rows = (0..120).map(|i| format!("m{i}/{i},linguistic,1,0.1\nm{i}/{i},linguistic,4,0.2\n"));
    let header = "model,modality,shots,accuracy\n".to_owned();
    dir.write("many.csv", header + &rows.collect::<String>());
    std::fs::create_dir(dir.path("figures")).unwrap();
    for (file, heading, why, drawn) in [
        (
            "sizes.csv",
            "Accuracy by parameters",
            "the models have no shot count in common; give the scores of those that have one",
            "Accuracy by shots",
        ),
        (
            "many.csv",
            "Accuracy by shots",
            "a figure of 183 x 90 mm has no room for 120 series: enlarge it or leave some out",
            "Scores",
        ),
    ] {
        let ran = dir.run(
            "figure",
            &format!("report {file} --figures figures -o r.html"),
        );
        let warning = format!("figure: warning: \"{heading}\" is left out: {why}\n");
        assert!(ran.stderr.contains(&warning), "{ran}");
        ran.loud_ok();
        let page = String::from_utf8(dir.read("r.html")).unwrap();
        assert!(page.contains(&format!("<h2>{heading}</h2><p>Left out: {why}.</p>")));
        let (_, section) = page.split_once(&format!("<h2>{drawn}</h2>")).unwrap();
        assert!(!section.starts_with("<p>Left out"), "{drawn}");
    }
    // An impossible number makes the whole report fail, not only a figure.
    dir.write(
        "bad.csv",
        "model,modality,shots,accuracy\na,linguistic,1,1.5\n",
    );
    dir.run("figure", "report bad.csv -o bad.html")
        .refused(1, &["1.5"]);
}

/// The summary table has one row per model, with the numbers of the other tables.
#[test]
fn a_report_begins_with_the_models_of_a_campaign() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 2,4,8,16 --trials 4 --condition clean,deranged",
        "--alphabet genomic",
    );
    for model in ["nearest", "mode"] {
        let arguments = format!("--model builtin:{model}");
        let predictions = dir.pipe(prompts.clone(), "infer", &arguments).ok();
        dir.write(&format!("{model}.jsonl"), predictions);
    }
    for (filter, arguments, file) in [
        ("score", "--replicates 99", "scores.csv"),
        ("fit-loglinear", "--replicates 99", "fits.csv"),
        ("fit-loglinear", "--shape", "shapes.csv"),
        ("contrast", "", "contrasts.csv"),
        ("contrast", "--profiles --permutations 99", "gaps.csv"),
        (
            "contrast",
            "--profiles --of accuracy --permutations 99",
            "accuracies.csv",
        ),
    ] {
        dir.run(
            filter,
            &format!("{arguments} nearest.jsonl mode.jsonl -o {file}"),
        )
        .loud_ok();
    }
    dir.run(
        "figure",
        "report scores.csv fits.csv shapes.csv contrasts.csv gaps.csv accuracies.csv -o report.html",
    )
    .ok();
    let page = String::from_utf8(dir.read("report.html")).unwrap();
    for heading in [
        "Shapes of curves",
        "Likeness of gaps",
        "Likeness of accuracies",
        "Likeness of accuracies that noise allows",
    ] {
        assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    let (_, models) = page.split_once("<h2>Models</h2>").unwrap();
    let (models, _) = models.split_once("</section>").unwrap();
    let rows: Vec<&str> = models.split("<tr>").skip(2).collect();
    assert_eq!(rows.len(), 2);
    for (row, model) in rows.iter().zip(["builtin:nearest", "builtin:mode"]) {
        assert!(row.contains(model), "{row}");
        let has = |file: &str, column: &str, of: &[(&str, &str)]| {
            let table = csv_rows(&dir.read(file));
            let found = table.iter().find(|r| {
                let condition = r.get("condition").is_none_or(|c| c == "clean");
                condition && r["model"] == model && of.iter().all(|(c, v)| r[*c] == *v)
            });
            let value = &found.unwrap()[column];
            assert!(
                row.contains(&format!("data-value=\"{value}\"")),
                "{column} {value}: {row}"
            );
        };
        has("scores.csv", "accuracy", &[("shots", "16")]);
        has("fits.csv", "a1", &[]);
        has("contrasts.csv", "gap", &[("shots", "16")]);
        has("shapes.csv", "p", &[("shape", "log")]);
    }
}

/// Without clean demonstrations these figures have nothing to draw. The report still has the tables.
#[test]
fn a_report_of_deranged_demonstrations_alone_has_their_tables() {
    let dir = Workdir::new();
    let prompts = dir.prompts(
        "--suite primitives --shots 2,4 --trials 2 --condition deranged",
        "--alphabet genomic",
    );
    for (model, params) in [("nearest", "1e9"), ("mode", "2e9")] {
        let arguments = format!("--model builtin:{model} --params {params}");
        let predictions = dir.pipe(prompts.clone(), "infer", &arguments).ok();
        dir.write(&format!("{model}.jsonl"), predictions);
    }
    for (filter, arguments) in [
        ("score", ""),
        ("score", "--by group"),
        ("fit-loglinear", ""),
        ("fit-loglinear", "--by group"),
    ] {
        let arguments = format!("{arguments} nearest.jsonl mode.jsonl --replicates 9 -o r.csv");
        dir.run(filter, &arguments).loud_ok();
        dir.run("figure", "report r.csv -o report.html").ok();
        let page = String::from_utf8(dir.read("report.html")).unwrap();
        assert!(page.contains("<table"), "{filter} {arguments}");
    }
}
