//! Two line charts as one SVG: throughput against clients, latency against load. It must not
//! measure anything.

use serde::Serialize;

/// One point of a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// One chart: its words and its lines.
pub struct Chart<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    pub lines: &'a [(String, Vec<Point>)],
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 370.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
/// Room for the title, the lines' names and the words of the vertical axis, one below the other.
const TOP: f64 = 70.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 5] = ["#1b6ca8", "#c8553d", "#3c8d5a", "#8a5fbf", "#b08900"];
const TICKS: u32 = 5;
/// A letter's width, about.
const LETTER: f64 = 6.5;

/// The charts below one another.
pub fn svg(charts: &[Chart<'_>]) -> String {
    let height = HEIGHT * charts.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (index, chart) in charts.iter().enumerate() {
        let down = HEIGHT * index as f64;
        svg.push_str(&format!("<g transform=\"translate(0 {down})\">\n"));
        svg.push_str(&draw(chart));
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(chart: &Chart<'_>) -> String {
    let points = || chart.lines.iter().flat_map(|(_, points)| points);
    let x_top = round_up(points().map(|p| p.x).fold(0.0, f64::max));
    let y_top = round_up(points().map(|p| p.y).fold(0.0, f64::max));
    let bottom = HEIGHT - BOTTOM;
    let x = |value: f64| LEFT + value / x_top * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| bottom - value / y_top * (bottom - TOP);
    let mut svg = text(WIDTH / 2.0, 20.0, "middle", chart.title);
    let mut name_at = LEFT;
    for tick in 0..=TICKS {
        let part = f64::from(tick) / f64::from(TICKS);
        let (at_x, at_y) = (x(part * x_top), y(part * y_top));
        svg.push_str(&line((LEFT, at_y), (WIDTH - RIGHT, at_y), "#dddddd"));
        svg.push_str(&text(LEFT - 6.0, at_y + 4.0, "end", &short(part * y_top)));
        svg.push_str(&text(at_x, bottom + 16.0, "middle", &short(part * x_top)));
    }
    svg.push_str(&text(WIDTH / 2.0, HEIGHT - 14.0, "middle", chart.x_label));
    svg.push_str(&text(LEFT - 60.0, TOP - 12.0, "start", chart.y_label));
    for (index, (name, points)) in chart.lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> = points
            .iter()
            .map(|p| format!("{:.1},{:.1}", x(p.x), y(p.y)))
            .collect();
        svg.push_str(&format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\n",
            path.join(" ")
        ));
        for p in points {
            svg.push_str(&format!(
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>\n",
                x(p.x),
                y(p.y)
            ));
        }
        svg.push_str(&line((name_at, 36.0), (name_at + 20.0, 36.0), colour));
        svg.push_str(&text(name_at + 26.0, 40.0, "start", name));
        name_at += 46.0 + LETTER * name.chars().count() as f64;
    }
    svg
}

fn line((x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str) -> String {
    format!(
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>\n"
    )
}

fn text(x: f64, y: f64, anchor: &str, words: &str) -> String {
    let words = words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n")
}

/// The next number that divides well, little above the value; 1 for nothing.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0];
    let tops = steps.map(|step| step * power);
    tops.into_iter()
        .find(|top| *top >= value)
        .unwrap_or(10.0 * power)
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let cases = [
            (0.0, 1.0),
            (1.0, 1.0),
            (32.0, 40.0),
            (64.0, 80.0),
            (130.0, 150.0),
            (0.03, 0.03),
            (8.1, 10.0),
        ];
        for (value, expected) in cases {
            assert!((round_up(value) - expected).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn every_line_is_drawn_inside_the_picture_with_its_name() {
        let points = vec![Point { x: 1.0, y: 900.0 }, Point { x: 64.0, y: 2100.0 }];
        let lines = [("INSERT < start".to_owned(), points)];
        let chart = || Chart {
            title: "t",
            x_label: "clients",
            y_label: "/s",
            lines: &lines,
        };
        let svg = svg(&[chart(), chart()]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("INSERT &lt; start"), "{svg}");
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        let inside = |(_, rest): (usize, &str)| {
            let number = rest.split('"').nth(1).unwrap();
            (0.0..=WIDTH).contains(&number.parse::<f64>().unwrap())
        };
        let mut circles = svg.match_indices("cx=").map(|(at, _)| (at, &svg[at..]));
        assert!(circles.all(inside), "{svg}");
    }

    #[test]
    fn a_chart_without_points_is_still_a_picture() {
        let chart = Chart {
            title: "t",
            x_label: "x",
            y_label: "y",
            lines: &[],
        };
        assert!(!svg(&[chart]).contains("NaN"));
    }
}
