//! Tests of the layout of figures. They read the positions from the SVG.

use super::{FIGURES, SCORES, decode, draw, svg, with_fixtures, with_scores};
use crate::common::{Workdir, assert_close};
use resvg::usvg::roxmltree::{Document, Node};

/// The elements with a class.
pub fn classed<'a>(svg: &'a Document, class: &str) -> Vec<Node<'a, 'a>> {
    let is_such = |n: &Node| {
        let classes = n.attribute("class").unwrap_or_default();
        classes.split(' ').any(|c| c == class)
    };
    svg.descendants().filter(is_such).collect()
}

/// The text of an element's tooltip.
pub fn title<'a>(element: &Node<'a, 'a>) -> &'a str {
    element.first_element_child().unwrap().text().unwrap()
}

/// The coordinates of a path of straight lines.
fn numbers(path: &Node) -> Vec<f64> {
    let numbers = path.attribute("d").unwrap().split(['M', 'L', ' ']);
    numbers.filter_map(|n| n.parse().ok()).collect()
}

/// Value and position of the first and the last labelled tick of an axis.
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

#[test]
fn every_point_bar_line_and_series_is_an_element() {
    let at_zero = "model,shots,accuracy\na,0,0.1\na,1,0.2\na,2,0.3\na,4,0.4\n";
    for (scores, arguments, counts) in [
        // The errors of the mode baseline are drawn as a band.
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

/// Left, top, right and bottom of everything drawn in an element except leaders. Of an arc, only the end counts.
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

/// Scores with intervals, alternately just above and below a0 + a1 ln n (at 0 shots: half of a0).
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

/// Usual figures and difficult ones: name, scores and arguments.
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
        // Ticks have logarithmic distances, and 0 is left of the break.
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
        // Fitted lines stay within the range of the axis.
        let top = bounds(&classed(&document, "grid")[0])[1];
        let bottom = numbers(&axis.first_element_child().unwrap())[1];
        for fit in classed(&document, "fit") {
            let [_, upper, _, lower] = bounds(&fit);
            assert!(upper >= top - 0.01 && lower <= bottom + 0.01, "{name}");
        }
        for point in classed(&document, "point") {
            let title = title(&point);
            let place = title
                .rsplit(": ")
                .next()
                .unwrap()
                .split(' ')
                .next()
                .unwrap();
            let tick = shots
                .iter()
                .position(|n| n.to_bits() == place.parse::<f64>().unwrap().to_bits())
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
    let shots = [1.0_f64, 2.0, 8.0, 64.0];
    for accuracies in [
        [0.1, 0.19, 0.2, 0.33],
        // These lines leave the range of the axis and are cut there.
        [0.0, 0.0, 0.1, 0.9],
        [0.3, 0.1, 0.0, 0.0],
        [0.2, 1.0, 1.0, 1.0],
        [0.25; 4],
        [0.0; 4],
        [1.0; 4],
    ] {
        let points = || shots.iter().zip(accuracies);
        let row = |(n, y): (&f64, f64)| format!("a,{n},{y}\n");
        let rows: String = points().map(row).collect();
        let svg = svg(&format!("model,shots,accuracy\n{rows}"), "");
        let document = Document::parse(&svg).unwrap();
        let ends = numbers(&classed(&document, "fit")[0]);
        let read = |[(low, from), (high, to)]: [(f64, f64); 2], at: f64| {
            low + (at - from) / (to - from) * (high - low)
        };
        let ln = scale(&document, "across", 0).map(|(shots, at)| (shots.ln(), at));
        let upwards = scale(&document, "upwards", 1);
        let x = [0, 2].map(|i| read(ln, ends[i]));
        let y = [1, 3].map(|i| read(upwards, ends[i]));
        let slope = (y[1] - y[0]) / (x[1] - x[0]);
        let mean_x = shots.iter().map(|n| n.ln()).sum::<f64>() / 4.0;
        let mean_y = accuracies.iter().sum::<f64>() / 4.0;
        let squares = shots.iter().map(|n| (n.ln() - mean_x).powi(2)).sum::<f64>();
        let products = points().map(|(n, y)| (n.ln() - mean_x) * (y - mean_y));
        let a1 = products.sum::<f64>() / squares;
        assert_close(slope, a1, 2e-4);
        assert_close(y[0] - slope * x[0], mean_y - a1 * mean_x, 2e-4);
        // The line is cut nowhere else.
        let whole = [0.0, 64_f64.ln()].map(|ln| mean_y + a1 * (ln - mean_x));
        for (value, end) in whole.into_iter().zip(y) {
            assert_close(end, value.clamp(upwards[0].0, upwards[1].0), 2e-3);
        }
    }
}

#[test]
fn axes_that_should_be_shared_can_be() {
    for (highest, arguments, top) in [
        ("0.12", "", 0.12),
        ("0.12", "--y-max 1", 1.0),
        // The data extend the axis: no point is cut off.
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
fn every_figure_stays_on_its_page_and_is_drawn_as_png_too() {
    let dir = with_fixtures();
    for (name, words) in FIGURES {
        dir.run("figure", &format!("{words} -o a.svg -o a.png --dpi 100"))
            .ok();
        let text = String::from_utf8(dir.read("a.svg")).unwrap();
        // The SVG needs no font, file or network, and can be part of an HTML page.
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
        // Title and note do not overlap the panels.
        let texts = document
            .root_element()
            .children()
            .filter(|n| n.attribute("aria-label").is_some() && n.attribute("transform").is_none());
        for panel in classed(&document, "panel") {
            let panel = bounds(&panel);
            let mut texts = texts.clone();
            assert!(texts.all(|text| !overlap(bounds(&text), panel)), "{name}");
        }
        // Error bars have the colour of their series, mixed with 40 % white.
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
        // Hatching stays within the bar.
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
        let row = |(i, params): (usize, &&str)| format!("m{i},1,0.1,{params}\n");
        let rows: String = params.iter().enumerate().map(row).collect();
        let scores = format!("model,shots,accuracy,params\n{rows}");
        let svg = draw(&scores, "size");
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
        let row = |n: &u32| format!("m,{n},0.1,1\nm,{n},0.2,2\n");
        let rows: String = shots.iter().map(row).collect();
        let scores = format!("model,shots,accuracy,bitload\n{rows}");
        let svg = draw(&scores, "bitload");
        let document = Document::parse(&svg).unwrap();
        let labels = classed(&document, "label").into_iter();
        let labels = labels.map(|label| title(&label));
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
        // The typeface has Greek letters, mathematical signs and accents.
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
        // The first path is the page, and the title follows.
        let texts = document.root_element().children().filter(Node::is_element);
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
        let titles = labels.map(|label| title(&label));
        let found = titles.filter(|title| title.ends_with(" (published)"));
        assert_eq!(found.count(), count, "{names}");
    }
}
