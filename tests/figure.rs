//! What `figure` promises.

mod common;

use common::{Workdir, assert_close, csv_rows, json_lines, repository, sha256, to_lines};
use resvg::usvg::roxmltree::{Document, Node};
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

/// A picture drawn from `input` as SVG.
fn svg(input: &str, arguments: &str) -> String {
    let dir = Workdir::new();
    dir.pipe(input, "figure", &format!("curve -o out.svg {arguments}"))
        .ok();
    String::from_utf8(dir.read("out.svg")).unwrap()
}

/// The elements of a class.
fn classed<'a>(svg: &'a Document, class: &str) -> Vec<Node<'a, 'a>> {
    let is_such = |n: &Node| {
        let classes = n.attribute("class").unwrap_or_default();
        classes.split(' ').any(|c| c == class)
    };
    svg.descendants().filter(is_such).collect()
}

/// The numbers of a path of straight lines.
fn numbers(path: &Node) -> Vec<f64> {
    let numbers = path.attribute("d").unwrap().split(['M', 'L', ' ']);
    numbers.filter_map(|n| n.parse().ok()).collect()
}

/// What the first and the last label of an axis say, and where their ticks stand.
fn scale(svg: &Document, axis: &str, coordinate: usize) -> [(f64, f64); 2] {
    let axis = classed(svg, axis)[0].children();
    let (mut labels, mut ticks) = (Vec::new(), Vec::new());
    for path in axis {
        match path.attribute("class") {
            Some("text") => labels.push(path.attribute("aria-label").unwrap().parse().unwrap()),
            Some("tick") => ticks.push(numbers(&path)[coordinate]),
            _ => {}
        }
    }
    let ticks: Vec<(f64, f64)> = labels.into_iter().zip(ticks).collect();
    [ticks[0], ticks[ticks.len() - 1]]
}

/// Width, height and the colours of a PNG of so many dots an inch.
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
    // 89 mm and 70 mm at 150 dots to 25.4 mm.
    assert_eq!((width, height), (526, 413));
    // Paper, and the colours of both models.
    for colour in [[255; 3], [0x00, 0x72, 0xb2], [0xd5, 0x5e, 0x00]] {
        assert!(colours.contains(&colour), "{colour:?}");
    }
    let text = String::from_utf8(dir.read("a.svg")).unwrap();
    let tree = resvg::usvg::Tree::from_str(&text, &resvg::usvg::Options::default()).unwrap();
    // Its own unit is 1/96 of an inch.
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
    // Whatever the order of the points.
    let (head, rows) = SCORES.split_once('\n').unwrap();
    let (evo, qwen) = rows.split_at(rows.find("qwen").unwrap());
    let turned = |rows: &str| rows.lines().rev().collect::<Vec<_>>().join("\n");
    let turned = format!("{head}\n{}\n{}\n", turned(evo), turned(qwen));
    assert_eq!(svg(&turned, ""), svg(SCORES, ""));
}

#[test]
fn every_point_bar_line_and_series_is_an_element() {
    let at_zero = "model,shots,accuracy\na,0,0.1\na,1,0.2\na,2,0.3\na,4,0.4\n";
    for (scores, arguments, counts) in [
        // The errors of the mode baseline are a band.
        (SCORES, "", [9, 6, 1, 2, 1, 3, 0]),
        (SCORES, "--no-fit", [9, 6, 1, 0, 3, 3, 0]),
        (at_zero, "--no-fit", [4, 0, 0, 0, 1, 1, 2]),
    ] {
        let svg = svg(scores, arguments);
        let document = Document::parse(&svg).unwrap();
        let classes = ["point", "bar", "band", "fit", "joint", "label", "break"];
        for (class, count) in classes.into_iter().zip(counts) {
            assert_eq!(
                classed(&document, class).len(),
                count,
                "{class} {arguments}"
            );
        }
        // No line crosses the break at 0 shots.
        if let Some(slash) = classed(&document, "break").last() {
            let joint = numbers(&classed(&document, "joint")[0]);
            assert!(joint.len() == 2 * 3 && joint[0] > numbers(slash)[2]);
        }
    }
}

/// Left, top, right and bottom of all that is drawn within an element, leaders apart; of an arc counts its end.
fn bounds(element: &Node) -> [f64; 4] {
    let is_leader = |n: &Node| n.attribute("class") == Some("leader");
    let paths = element.descendants().filter(|n| !is_leader(n));
    let paths = paths.filter_map(|n| n.attribute("d"));
    let mut bounds = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];
    for numbers in paths.flat_map(|d| d.split(|c: char| c.is_ascii_alphabetic())) {
        let numbers: Vec<f64> = numbers.split(' ').filter_map(|n| n.parse().ok()).collect();
        let ends = if numbers.len() == 7 {
            &numbers[5..]
        } else {
            &numbers[..]
        };
        for end in ends.chunks(2) {
            let [left, top, right, bottom] = bounds;
            bounds = [
                left.min(end[0]),
                top.min(end[1]),
                right.max(end[0]),
                bottom.max(end[1]),
            ];
        }
    }
    bounds
}

fn overlap(a: [f64; 4], b: [f64; 4]) -> bool {
    (0..2).all(|i| a[i].max(b[i]) < a[i + 2].min(b[i + 2]))
}

/// Scores near a0 + a1 ln n (at 0 shots: near half of a0), on alternating sides of it, with intervals.
fn rows(model: &str, modality: &str, shots: &[u32], a0: f64, a1: f64) -> String {
    let row = |(i, &n): (usize, &u32)| {
        let line = if n == 0 {
            a0 / 2.0
        } else {
            a0 + a1 * f64::from(n).ln()
        };
        let y = (line + if i % 2 == 0 { 0.01 } else { -0.01 }).clamp(0.0, 1.0);
        let (low, high) = ((y - 0.03).max(0.0), (y + 0.03).min(1.0));
        format!("\"{model}\",{modality},{n},{y},{low},{high}\n")
    };
    shots.iter().enumerate().map(row).collect()
}

fn models(count: u32, shots: &[u32]) -> String {
    let model = |i| {
        let slope = 0.055 - 0.0015 * f64::from(i);
        rows(&format!("Model-{}B", i + 1), "genomic", shots, 0.12, slope)
    };
    (0..count).map(model).collect()
}

/// Figures as users make them, and awkward ones: scores and arguments.
fn awkward() -> Vec<(&'static str, String, &'static str)> {
    const COLUMN: &str = "--width-mm 89 --height-mm 62";
    let shots = [1, 2, 4, 8, 16, 32, 64, 128];
    let (with_zero, all): (Vec<u32>, Vec<u32>) = ([&[0], &shots[..]].concat(), (0..=64).collect());
    let baselines = [
        ("mode", 0.19, 0.0),
        ("nearest", 0.1, 0.05),
        ("copy", 0.045, 0.0),
    ];
    let baselines = baselines.map(|(name, a0, a1)| rows(name, "baseline", &shots, a0, a1));
    let over_baselines = |count| models(count, &shots) + &baselines.concat();
    let long = ["ACGT, nested, greedy", "digits, independent, constrained"]
        .map(|tail| format!("organisation/a-long-model-name-40b-base, {tail}"))
        .map(|name| rows(&name, "genomic", &shots, 0.1, 0.02));
    let odd = [
        rows("one", "genomic", &[4], 0.1, 0.1),
        rows("steep", "genomic", &shots, -0.5, 0.4),
        rows("dot", "baseline", &[4], 0.3, 0.0),
    ];
    vec![
        ("one", models(1, &shots), COLUMN),
        ("baselines", over_baselines(3), COLUMN),
        ("ten", over_baselines(10), COLUMN),
        (
            "ten, wide",
            over_baselines(10),
            "--height-mm 62 --title Programs",
        ),
        ("long labels", long.concat(), COLUMN),
        (
            "thirty",
            models(30, &shots),
            "--width-mm 89 --height-mm 120",
        ),
        ("0 shots", models(2, &with_zero), COLUMN),
        ("only 0 shots", models(2, &[0]), COLUMN),
        ("one shot count", models(3, &[16]), COLUMN),
        ("0 and another", models(3, &[0, 16]), COLUMN),
        ("every shot count", models(2, &all), COLUMN),
        ("odd lengths and slopes", odd.concat(), COLUMN),
        ("nameless", rows("-", "genomic", &shots, 0.1, 0.1), COLUMN),
    ]
}

#[test]
fn labels_cover_neither_data_nor_each_other_and_points_stay_near_their_ticks() {
    for (name, rows, arguments) in awkward() {
        let mut shots: Vec<f64> = rows
            .lines()
            .map(|row| row.rsplit(',').nth(3).unwrap().parse().unwrap())
            .collect();
        shots.sort_by(f64::total_cmp);
        shots.dedup();
        let scores = format!("model,modality,shots,accuracy,ci_low,ci_high\n{rows}");
        let svg = svg(&scores, arguments);
        let tree = resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default()).unwrap();
        let (drawn, size) = (tree.root().abs_stroke_bounding_box(), tree.size());
        assert!(
            drawn.left() > -0.1 && drawn.top() > -0.1,
            "{name}: {drawn:?}"
        );
        assert!(drawn.right() < size.width() + 0.1, "{name}: {drawn:?}");
        assert!(drawn.bottom() < size.height() + 0.1, "{name}: {drawn:?}");
        let document = Document::parse(&svg).unwrap();
        let panel = classed(&document, "panel")[0];
        let data = panel.children().filter(|n| {
            matches!(
                n.attribute("class"),
                Some("grid" | "bands" | "bars" | "lines" | "points")
            )
        });
        let data: Vec<[f64; 4]> = data.map(|layer| bounds(&layer)).collect();
        let labels = classed(&document, "label");
        let labels: Vec<[f64; 4]> = labels.iter().map(bounds).collect();
        for (i, label) in labels.iter().enumerate() {
            assert!(
                !data.iter().any(|layer| overlap(*label, *layer)),
                "{name}: {label:?}"
            );
            assert!(
                !labels[..i].iter().any(|other| overlap(*label, *other)),
                "{name}: {label:?}"
            );
        }
        let axis = classed(&document, "across")[0];
        let ticks = axis
            .children()
            .filter(|n| n.attribute("class") == Some("tick"));
        let ticks: Vec<f64> = ticks.map(|tick| numbers(&tick)[0]).collect();
        assert_eq!(ticks.len(), shots.len(), "{name}");
        // As far apart as logarithms, and 0 left of the break.
        let zeros = shots.iter().filter(|n| **n == 0.0).count();
        if let (Some(first), Some(last)) = (shots.get(zeros), shots.last()) {
            let ln = |n: &f64| (n / first).ln() / (last / first).ln();
            let at = |at: &f64| (at - ticks[zeros]) / (ticks[ticks.len() - 1] - ticks[zeros]);
            for (n, tick) in shots.iter().zip(&ticks).skip(zeros + 1) {
                assert_close(at(tick), ln(n), 1e-3);
            }
            for slash in classed(&document, "break") {
                let [left, _, right, _] = bounds(&slash);
                assert!(ticks[0] < left && right < ticks[1], "{name}");
            }
        }
        let written = axis
            .children()
            .filter(|n| n.attribute("class") == Some("text"));
        let written: Vec<[f64; 4]> = written.map(|label| bounds(&label)).collect();
        assert!(
            written.windows(2).all(|pair| pair[0][2] + 2.0 < pair[1][0]),
            "{name}"
        );
        // A fitted line ends where the axis does.
        let top = bounds(&classed(&document, "grid")[0])[1];
        let bottom = numbers(&axis.first_element_child().unwrap())[1];
        for fit in classed(&document, "fit") {
            let [_, upper, _, lower] = bounds(&fit);
            assert!(upper >= top - 0.01 && lower <= bottom + 0.01, "{name}");
        }
        for point in classed(&document, "point") {
            let title = point.first_element_child().unwrap().text().unwrap();
            let place = title
                .rsplit(": ")
                .next()
                .unwrap()
                .split(' ')
                .next()
                .unwrap();
            let tick = shots
                .iter()
                .position(|n| *n == place.parse::<f64>().unwrap())
                .unwrap();
            let [left, _, right, _] = bounds(&point);
            let from = |at: f64| (at - f64::midpoint(left, right)).abs();
            let is_near = |(i, at): (usize, &f64)| i == tick || from(*at) > from(ticks[tick]);
            assert!(ticks.iter().enumerate().all(is_near), "{name}: {title}");
            assert!(
                left > bounds(&axis)[0] && right < bounds(&axis)[2],
                "{name}: {title}"
            );
        }
    }
}

#[test]
fn labels_that_end_at_one_height_are_centred_on_it_in_their_order() {
    let end = |model: &str| format!("{model},1,0.2\n{model},2,0.3\n");
    let ends = ["a", "b", "c"].map(end).concat();
    let svg = svg(&format!("model,shots,accuracy\n{ends}"), "--y-max 1");
    let document = Document::parse(&svg).unwrap();
    let middles = classed(&document, "label").into_iter().map(|label| {
        let [_, top, _, bottom] = bounds(&label);
        let name = label
            .first_element_child()
            .unwrap()
            .text()
            .unwrap()
            .to_owned();
        (name, f64::midpoint(top, bottom))
    });
    let middles: Vec<(String, f64)> = middles.collect();
    assert!(middles.iter().map(|(name, _)| name).eq(["a", "b", "c"]));
    let [(low, from), (high, at)] = scale(&document, "upwards", 1);
    let end = from + (0.3 - low) / (high - low) * (at - from);
    assert_close(middles[1].1, end, 1.0);
    assert!(middles[0].1 < end - 5.0 && middles[2].1 > end + 5.0);
}

#[test]
fn a_label_that_does_not_fit_is_elided_and_a_page_without_room_refused() {
    let long = |i: u32| {
        rows(
            &format!("organisation/a-very-long-model-name-with-a-suffix-{i}b-base"),
            "genomic",
            &[1, 2],
            0.1,
            0.1,
        )
    };
    let scores = format!(
        "model,modality,shots,accuracy,ci_low,ci_high\n{}",
        (0..12).map(long).collect::<String>()
    );
    let picture = svg(&scores, "--width-mm 89 --height-mm 60");
    let document = Document::parse(&picture).unwrap();
    let labels = classed(&document, "label");
    assert!(
        labels.len() == 12
            && labels.iter().all(|label| {
                let text = label.children().find_map(|n| n.attribute("aria-label"));
                text.unwrap().contains('…')
            })
    );
    let dir = Workdir::new();
    for size in [
        "--width-mm 89 --height-mm 30",
        "--width-mm 22 --height-mm 60",
    ] {
        dir.pipe(
            scores.clone(),
            "figure",
            &format!("curve -o out.svg {size}"),
        )
        .refused(2, &["no room for 12 series"]);
    }
}

#[test]
fn the_fitted_line_read_off_the_page_is_that_of_least_squares() {
    let (shots, accuracies) = ([1.0_f64, 2.0, 8.0, 64.0], [0.1, 0.19, 0.2, 0.33]);
    let rows = shots
        .iter()
        .zip(accuracies)
        .map(|(n, y)| format!("a,{n},{y}\n"));
    let scores = format!("model,shots,accuracy\n{}", rows.collect::<String>());
    let svg = svg(&scores, "");
    let document = Document::parse(&svg).unwrap();
    let ends = numbers(&classed(&document, "fit")[0]);
    let read = |[(low, from), (high, to)]: [(f64, f64); 2], at: f64| {
        low + (at - from) / (to - from) * (high - low)
    };
    let ln = scale(&document, "across", 0).map(|(shots, at)| (shots.ln(), at));
    let upwards = scale(&document, "upwards", 1);
    let (x, y) = (
        [0, 2].map(|i| read(ln, ends[i])),
        [1, 3].map(|i| read(upwards, ends[i])),
    );
    let slope = (y[1] - y[0]) / (x[1] - x[0]);
    let mean_x = shots.iter().map(|n| n.ln()).sum::<f64>() / 4.0;
    let mean_y = accuracies.iter().sum::<f64>() / 4.0;
    let squares = shots.iter().map(|n| (n.ln() - mean_x).powi(2)).sum::<f64>();
    let products = shots
        .iter()
        .zip(accuracies)
        .map(|(n, y)| (n.ln() - mean_x) * (y - mean_y));
    let a1 = products.sum::<f64>() / squares;
    assert_close(slope, a1, 1e-4);
    assert_close(y[0] - slope * x[0], mean_y - a1 * mean_x, 1e-4);
}

#[test]
fn axes_that_should_be_shared_can_be() {
    for (highest, arguments, top) in [
        ("0.12", "", 0.12),
        ("0.12", "--y-max 1", 1.0),
        // No point is cut off.
        ("0.33", "--y-max 0.1", 0.4),
    ] {
        let svg = svg(
            &format!("model,shots,accuracy\na,1,0.1\na,2,{highest}\n"),
            arguments,
        );
        let upwards = scale(&Document::parse(&svg).unwrap(), "upwards", 1);
        assert_close(upwards[1].0, top, 1e-12);
    }
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
        // Without the columns of the mode baseline it is not there.
        svg(&SCORES.replace("mode_", "other_"), ""),
        // A baseline is drawn otherwise than a model.
        svg(&SCORES.replace("linguistic", "baseline"), ""),
        // Bars need errors.
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
            "the same cell stands twice, in good.csv:3 and in twice.csv:2",
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

/// The figures of the fixtures, each with the words that draw it.
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

/// A folder with the fixtures of the figures.
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

/// A picture without the outlines of its letters, which say nothing that its labels do not.
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
        // `SHOTLINE_BLESS=1 cargo test --release --test figure` takes what is drawn for right: look at it first.
        if std::env::var_os("SHOTLINE_BLESS").is_some() {
            std::fs::write(&golden, &drawn).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap();
        let differing = drawn.lines().zip(expected.lines()).find(|(a, b)| a != b);
        assert!(drawn == expected, "{name}: {differing:?}");
    }
}

#[test]
fn every_figure_stays_on_its_page_and_is_drawn_as_png_too() {
    let dir = with_fixtures();
    for (name, words) in FIGURES {
        dir.run("figure", &format!("{words} -o a.svg -o a.png --dpi 100"))
            .ok();
        let text = String::from_utf8(dir.read("a.svg")).unwrap();
        // It needs no font, no file and no network, and can be inlined.
        for word in ["<text", "font", "href", "url(", " id=", "<style", "<image"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
        assert_eq!(text.matches("http").count(), 1, "{name}: the namespace");
        let tree = resvg::usvg::Tree::from_str(&text, &resvg::usvg::Options::default()).unwrap();
        let drawn = tree.root().abs_stroke_bounding_box();
        assert!(
            drawn.left() > -0.1 && drawn.top() > -0.1,
            "{name}: {drawn:?}"
        );
        assert!(
            drawn.right() < tree.size().width() + 0.1
                && drawn.bottom() < tree.size().height() + 0.1,
            "{name}: {drawn:?}"
        );
        let (_, _, colours) = decode(&dir.read("a.png"), 100.0);
        assert!(
            colours.contains(&[255, 255, 255]) && colours.len() > 50,
            "{name}"
        );
        let document = Document::parse(&text).unwrap();
        // Title and note take their room.
        let texts = document
            .root_element()
            .children()
            .filter(|n| n.attribute("aria-label").is_some() && n.attribute("transform").is_none());
        for panel in classed(&document, "panel") {
            let panel = bounds(&panel);
            let mut texts = texts.clone();
            assert!(texts.all(|text| !overlap(bounds(&text), panel)), "{name}");
        }
        // Error bars have the colour of their series with two fifths of white.
        for bar in classed(&document, "bar") {
            let series = bar
                .ancestors()
                .find_map(|n| n.attribute("class").filter(|c| c.starts_with("series")));
            let markers = [("marker", "fill"), ("hollow", "stroke"), ("dot", "fill")].map(
                |(class, colour)| {
                    let mut all = classed(&document, class).into_iter();
                    let own = all.find(|n| {
                        n.ancestors()
                            .any(|group| group.attribute("class") == series)
                    });
                    own.and_then(|n| n.attribute(colour))
                },
            );
            let channels =
                |hex: &str| [1, 3, 5].map(|i| u32::from_str_radix(&hex[i..i + 2], 16).unwrap());
            let own = channels(markers.into_iter().flatten().next().unwrap());
            let expected = own.map(|c| (6 * c + 4 * 255 + 5) / 10);
            assert_eq!(
                channels(bar.attribute("stroke").unwrap()),
                expected,
                "{name}: {series:?}"
            );
        }
        let frames = classed(&document, "panel").into_iter().map(|panel| {
            let grid = panel
                .children()
                .find(|n| n.attribute("class") == Some("grid"));
            bounds(&grid.unwrap())
        });
        let frames: Vec<[f64; 4]> = frames.collect();
        for (i, frame) in frames.iter().enumerate() {
            assert!(
                !frames[..i].iter().any(|other| overlap(*frame, *other)),
                "{name}"
            );
        }
        // Hatching stays within its bar.
        for hatch in classed(&document, "hatch") {
            let bar = hatch.prev_sibling_element().unwrap();
            let (hatch, bar) = (bounds(&hatch), bounds(&bar));
            assert!(
                hatch[0] >= bar[0] - 0.02 && hatch[1] >= bar[1] - 0.02,
                "{name}"
            );
            assert!(
                hatch[2] <= bar[2] + 0.02 && hatch[3] <= bar[3] + 0.02,
                "{name}"
            );
        }
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
            "series \"m\", 1 shots: Understandable mistakes 1.5, expected 0 to 1",
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

/// The tick labels of an axis.
fn tick_labels(svg: &str, axis: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = classed(&document, axis)[0].children();
    let texts = texts.filter_map(|n| n.attribute("aria-label"));
    texts.map(str::to_owned).collect()
}

#[test]
fn parameters_have_round_ticks_or_the_models_own_in_short() {
    for (params, labels) in [
        (
            &["135e6", "1.7e9", "40e9"][..],
            &["300M", "1B", "3B", "10B", "30B"][..],
        ),
        (&["1.7e9", "8e9"], &["1.7B", "8B"]),
        (&["7e9"], &["7B"]),
        (&["40e9"], &["40B"]),
        (&["0.6e9"], &["600M"]),
        (&["135e6"], &["135M"]),
        (&["1e12"], &["1T"]),
        (&["30"], &["30"]),
        (&["12.5e3"], &["12.5k"]),
    ] {
        let dir = Workdir::new();
        let row = |(i, params): (usize, &&str)| format!("m{i},1,0.1,{params}\n");
        let rows: String = params.iter().enumerate().map(row).collect();
        let scores = format!("model,shots,accuracy,params\n{rows}");
        dir.pipe(scores, "figure", "size -o a.svg").ok();
        let svg = String::from_utf8(dir.read("a.svg")).unwrap();
        assert_eq!(tick_labels(&svg, "across"), labels);
    }
}

#[test]
fn shot_counts_have_their_ticks_of_which_crowded_ones_are_powers_of_two() {
    for (shots, labels) in [
        (vec![8, 0, 1, 4, 2], vec!["0", "1", "2", "4", "8"]),
        (vec![1, 10, 100, 1000], vec!["1", "10", "100", "1000"]),
        (
            (0..=64).collect(),
            vec!["0", "1", "2", "4", "8", "16", "32", "64"],
        ),
    ] {
        let row = |n: &u32| format!("m,{n},0.1\n");
        let rows: String = shots.iter().map(row).collect();
        let svg = svg(&format!("model,shots,accuracy\n{rows}"), "--width-mm 89");
        assert_eq!(tick_labels(&svg, "across"), labels);
    }
}

#[test]
fn of_many_shot_counts_the_ends_and_some_between_are_drawn() {
    for (shots, drawn) in [
        (&[8, 1, 4][..], &["1 shot", "4 shots", "8 shots"][..]),
        (
            &[1, 2, 4, 8, 16, 32, 64, 128],
            &["1 shot", "4 shots", "16 shots", "128 shots"],
        ),
    ] {
        let dir = Workdir::new();
        let row = |n: &u32| format!("m,{n},0.1,1\nm,{n},0.2,2\n");
        let rows: String = shots.iter().map(row).collect();
        let scores = format!("model,shots,accuracy,bitload\n{rows}");
        dir.pipe(scores, "figure", "bitload -o a.svg").ok();
        let svg = String::from_utf8(dir.read("a.svg")).unwrap();
        let document = Document::parse(&svg).unwrap();
        let labels = classed(&document, "label").into_iter();
        let labels = labels.map(|label| label.first_element_child().unwrap().text().unwrap());
        assert_eq!(labels.collect::<Vec<_>>(), drawn);
    }
}

#[test]
fn a_title_of_any_length_is_broken_and_loses_nothing_where_there_is_room() {
    let dir = with_scores();
    for (title, lines) in [
        (
            "In-context learning of bitstring programs across genomic and linguistic predictors",
            2..=2,
        ),
        // Greek, signs and accents are in the typeface.
        ("a₀ + a₁ ln n, α–β ≥ ½ × √2 − é ü ł …", 1..=1),
        ("", 0..=0),
    ] {
        let arguments = [
            "curve",
            "scores.csv",
            "-o",
            "a.svg",
            "--width-mm",
            "89",
            "--title",
            title,
        ];
        dir.run("figure", arguments.map(String::from).to_vec()).ok();
        let svg = String::from_utf8(dir.read("a.svg")).unwrap();
        let document = Document::parse(&svg).unwrap();
        // The page, then the title.
        let texts = document
            .root_element()
            .children()
            .filter(|n| n.is_element());
        let texts = texts.skip_while(|n| n.attribute("d").is_none()).skip(1);
        let texts = texts
            .map_while(|n| n.attribute("aria-label"))
            .filter(|text| !text.contains("95 %"));
        let texts: Vec<&str> = texts.collect();
        assert!(lines.contains(&texts.len()), "{texts:?}");
        assert_eq!(texts.join(" "), title);
    }
}

#[test]
fn published_curves_are_found_by_name_family_and_modality_once_each() {
    for (names, count) in [
        ("evo2_7b", 1),
        ("EVO2", 3),
        ("genomic,evo2_1b_base", 3),
        ("linguistic", 5),
    ] {
        let svg = svg(SCORES, &format!("--published {names} --height-mm 120"));
        let document = Document::parse(&svg).unwrap();
        let labels = classed(&document, "label").into_iter();
        let titles = labels.map(|label| label.first_element_child().unwrap().text().unwrap());
        let found = titles.filter(|title| title.ends_with(" (published)"));
        assert_eq!(found.count(), count, "{names}");
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
    // Nothing is fetched from anywhere.
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
            // A BitLoad may have one function only, of which is warned.
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

/// What one figure lacks leaves the others in the report; what is wrong is refused.
#[test]
fn a_report_has_the_figures_that_can_be_drawn() {
    let dir = Workdir::new();
    let scores = "model,shots,accuracy,params\na,1,0.1,1e9\na,2,0.2,1e9\nb,4,0.2,2e9\n";
    dir.write("scores.csv", scores);
    dir.run("figure", "size scores.csv -o a.svg")
        .refused(1, &["the models have no shot count in common"]);
    dir.run("figure", "report scores.csv -o r.html").ok();
    let html = String::from_utf8(dir.read("r.html")).unwrap();
    assert!(html.contains("<h2>Accuracy by shots") && !html.contains("<h2>Accuracy by parameters"));
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
    // Words are quoted as a shell reads them.
    assert!(html.contains("&lt;script&gt;alert('\\''1'\\'')&lt;/script&gt;&lt;img src=x"));
    // What XML cannot hold is a sign of its own; the rest is read back.
    let name = "<script>&'\t]]> \u{1} \u{ffff} \u{1f9ec}";
    let scores = SCORES.replace("evo", name);
    dir.pipe(scores, "figure", "curve -o a.svg").loud_ok();
    let svg = String::from_utf8(dir.read("a.svg")).unwrap();
    assert!(!svg.contains("<script"));
    let document = Document::parse(&svg).unwrap();
    let name = name.replace(['\u{1}', '\u{ffff}'], "\u{fffd}");
    let label = classed(&document, "label")[0];
    assert_eq!(
        label.first_element_child().unwrap().text(),
        Some(name.as_str())
    );
    let text = label.children().find_map(|n| n.attribute("aria-label"));
    assert_eq!(text, Some(name.as_str()));
}

/// Every length of a name was once shaped that is less than its own: 92 kB took 100 s.
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
    // Both ends are there.
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

/// One row a model with what each table says of it: the numbers are those of the tables.
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

/// Figures of clean demonstrations have nothing to draw then; the tables stand by themselves.
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
