// Puts a plot that answers to the pointer in the place of the same plot drawn by the server.
// Expressions are interpreted, never compiled, so that the page's policy allows them; styles are the page's own.
const place = document.getElementById("plot");
const spec = JSON.parse(document.getElementById("spec").textContent);
if (place && window.vegaEmbed) {
  const stage = document.createElement("div");
  const options = { ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true } };
  window.vegaEmbed(stage, spec, options).then(() => place.replaceChildren(stage));
}
