"use strict";

// a model by its file: a card, which has its state measured, or a configuration whose state follows from the library's
// formula; the file is data, its words are shown, and nothing of it runs
const operations = {
  "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "//": (a, b) => Math.floor(a / b), "%": (a, b) => a % b, min: Math.min,
};

// a formula is a number, a name, or a list of an operation and its operands
function evaluate(formula, values) {
  if (typeof formula === "number") return formula;
  if (typeof formula === "string") return values[formula] ?? null;
  const [operation, ...operands] = formula;
  if (operation === "if") return evaluate(operands[evaluate(operands[0], values) ? 1 : 2], values);
  return operations[operation](...operands.map((each) => {
    const value = evaluate(each, values);
    if (!Number.isSafeInteger(value)) throw new TypeError(`${typeof each === "string" ? each : "a size"} is no whole number`);
    return value;
  }));
}

function stateOf(settings, { laws, formats }) {
  const own = settings.model_type === "separatrix" || !Object.hasOwn(settings, "model_type");
  const given = own ? settings.model ?? settings : settings;
  const kind = own ? `separatrix:${given.name}` : String(settings.model_type);
  if (own && !given.name) throw new TypeError("expected the JSON that `separatrix card` writes, or a config.json with its model_type");
  if (!Object.hasOwn(laws, kind)) throw new TypeError(`the page has no formula of ${kind.replace("separatrix:", "")}; \`separatrix plan --model\` measures it`);
  const { bits, derived, defaults, only } = laws[kind];
  for (const [name, allowed] of Object.entries(only)) {
    const values = [given[name] ?? [null]].flat();
    if (Object.hasOwn(given, name) && !values.every((value) => allowed.includes(value))) {
      throw new TypeError(`${name} is ${String(given[name]).slice(0, 40)}, which the formula leaves out; \`separatrix plan --model\` measures it`);
    }
  }
  const format = String(given.dtype ?? given.torch_dtype ?? "float32").replace("torch.", "");
  if (!Object.hasOwn(formats, format)) throw new TypeError(`${format} is no number format`);
  const values = Object.assign(Object.create(null), defaults, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)), { dtype: formats[format] });
  for (const [name, formula] of Object.entries(derived)) values[name] ??= evaluate(formula, values);
  const at = (length) => {
    const found = evaluate(bits, { ...values, N: length });
    if (!Number.isSafeInteger(found) || found < 0) throw new TypeError("its sizes do not fit together");
    return found;
  };
  const far = 2 ** 30, linear = at(2 * far) - at(far) >= far; // a bit a token; what is kept in blocks goes up and down
  const growth = linear ? "linear" : [2, far].some((length) => at(length) !== at(1)) ? "windowed" : "constant";
  return { growth, at };
}

globalThis.modelOf = (file, found, known) => {
  if (found === null || typeof found !== "object" || Array.isArray(found)) throw new TypeError("expected a JSON object");
  if (found.state === undefined || found.model_type !== undefined || !Array.isArray(found.state?.lengths)) {
    const kind = found.model_type && found.model_type !== "separatrix" ? found.model_type : (found.model ?? found).name;
    return { label: `${file}: ${kind}`, state: stateOf(found, known) };
  }
  const { label, state } = found;
  if (![state.lengths, state.bits].every((list) => list.every(Number.isFinite))) throw new TypeError("its state is not numbers");
  return { label: String(label), state };
};
