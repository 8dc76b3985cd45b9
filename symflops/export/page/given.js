// What a page in one file was given: its data, and formulas that are HTML from the start. The calculator, which makes both
// for the models that are chosen in it, gives the same names to the scripts below.

const DATA = JSON.parse(document.getElementById("data").textContent);
const formulaOf = (number) => document.getElementById(`formula-${number}`).content.cloneNode(true);
const LIFE = new AbortController().signal; // how long the page listens: as long as it is there
const keepAddress = (words) => words; // an address has nothing to say but the report's own words
const afterUpdate = () => {};
