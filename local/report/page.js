
// Draws the figures, in the colours of the page's style and as wide as there is room; again when either changes.
{
    const views = [];

    function colour(name) {
        return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    }

    function configuration(width) {
        const text = colour("--text"), quiet = colour("--quiet"), line = colour("--line");
        const colours = colour("--colours").split(" ");
        const columns = Math.max(2, Math.min(8, Math.floor(width / 150)));
        return {
            background: null,
            padding: { left: 2, right: 14, top: 5, bottom: 5 }, // the last label of an axis may be wider than reckoned
            font: "system-ui, sans-serif",
            view: { stroke: null },
            mark: { color: colours[0] },
            text: { color: text, fontSize: 11 },
            tick: { color: text },
            axis: {
                labelColor: quiet, titleColor: quiet, titleFontWeight: "normal", gridColor: line, domainColor: line,
                tickColor: line, labelOverlap: true, labelFontSize: 11, titleFontSize: 11,
            },
            axisX: { grid: false, tickCount: Math.max(3, Math.floor(width / 90)) },
            axisY: { labelLimit: Math.min(260, 0.42 * width) },
            legend: {
                orient: "bottom", columns, labelColor: text, labelFontSize: 12, labelLimit: width / columns - 30, symbolType: "square",
            },
            range: { category: colours, heatmap: [colour("--code"), colour("--ramp")] },
        };
    }

    async function draw() {
        while (views.length) {
            views.pop().finalize();
        }
        for (const figure of document.querySelectorAll("figure")) {
            const specification = JSON.parse(figure.querySelector("script").textContent);
            const { view } = await vegaEmbed(figure.querySelector(".picture"), specification, {
                actions: false, ast: true, renderer: "svg", config: configuration(figure.clientWidth),
            });
            views.push(view);
        }
    }

    let width = innerWidth, drawing = draw();
    const again = () => { drawing = drawing.then(draw); };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    addEventListener("resize", () => {
        if (innerWidth !== width) {
            width = innerWidth;
            again();
        }
    });
}
