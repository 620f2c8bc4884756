"use strict";
(function () {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  // plotly offers to send a chart's data to its makers' servers; nothing leaves this page.
  const config = {
    responsive: true,
    displaylogo: false,
    plotlyServerURL: "",
    showSendToCloud: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d"],
  };
  for (const { id, figure } of figures) {
    Plotly.newPlot(id, figure.data, figure.layout, config);
  }
  // A page is narrower than most windows: charts are drawn anew to fit it.
  const drawn = (width) => {
    for (const { id } of figures) {
      Plotly.relayout(id, width ? { width: width, autosize: false } : { width: null, autosize: true });
    }
  };
  window.addEventListener("beforeprint", () => drawn(680));
  window.addEventListener("afterprint", () => drawn(0));
})();
