// Shows /openapi.json: every operation by its group, with who may call it, what goes in, what
// comes out, and a command to try. Text is only ever set as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.flat().filter((child) => child !== null));
  return made;
}

function code(text) {
  return element("code", {}, text);
}

// Text with `code` in backticks.
function prose(text) {
  return text.split("`").map((part, n) => (n % 2 ? code(part) : part));
}

function table(heads, rows) {
  const head = element("tr", {}, heads.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map((cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell))));
  const whole = element("table", {}, element("thead", {}, head), element("tbody", {}, body));
  return element("div", { class: "scroll", tabindex: "0" }, whole);
}

class Page {
  constructor(openapi) {
    this.openapi = openapi;
    this.shown = [];
  }

  resolve(thing) {
    while (thing && thing.$ref) {
      thing = thing.$ref.slice(2).split("/").reduce((at, key) => at[key], this.openapi);
    }
    return thing;
  }

  type(schema) {
    const found = this.resolve(schema);
    if (found.anyOf) return found.anyOf.map((one) => this.type(one)).join(" or ");
    if (found.enum) return found.enum.map((one) => JSON.stringify(one)).join(" | ");
    if (found.type === "array") return `list of ${found.items ? this.type(found.items) : "anything"}`;
    if (schema.$ref) return found.title || schema.$ref.split("/").pop();
    if (!found.type) return "anything";
    return found.format && !found.format.startsWith("int") ? `${found.type} (${found.format})` : found.type;
  }

  limits(schema) {
    const all = [schema, ...(schema.anyOf || [])].map((one) => this.resolve(one));
    const told = [];
    for (const one of all) {
      if (one.minimum !== undefined) told.push(`at least ${one.minimum}`);
      if (one.maximum !== undefined) told.push(`at most ${one.maximum}`);
      if (one.minLength || one.maxLength)
        told.push(`${one.minLength || 0} to ${one.maxLength || "any number of"} characters`);
      if (one.maxItems) told.push(`at most ${one.maxItems} items`);
      if (one.pattern) told.push(`matches ${one.pattern}`);
    }
    if (schema.default !== undefined) told.push(`default ${JSON.stringify(schema.default)}`);
    return told.join("; ");
  }

  field(name, schema, required, description) {
    const label = element("code", required ? { class: "required" } : {}, name);
    const says = description || schema.description || "";
    const limits = this.limits(schema);
    const told = [prose(says), says && limits ? element("br") : null, limits ? code(limits) : null];
    return [label, this.type(schema), told.flat()];
  }

  // The fields of a schema as a table, and the schemas it names below it, each once.
  fields(schema, seen = new Set()) {
    const found = this.resolve(schema);
    if (!found.properties) return [element("p", {}, code(this.type(schema)))];
    seen.add(found.title);
    const required = found.required || [];
    const rows = Object.entries(found.properties).map(([name, field]) =>
      this.field(name, field, required.includes(name)),
    );
    const below = Object.values(found.properties).flatMap((field) => this.within(field, seen));
    return [table(["Field", "Type", "Meaning"], rows), ...below];
  }

  within(field, seen) {
    const candidates = [field, ...(field.anyOf || []), field.items, field.additionalProperties];
    return candidates.filter(Boolean).flatMap((candidate) => {
      const found = this.resolve(candidate);
      if (!found.properties || seen.has(found.title)) return [];
      const title = element("summary", {}, code(found.title || "page"));
      const inside = this.fields(found, seen);
      return [element("details", {}, title, ...inside)];
    });
  }

  curl(method, path, operation) {
    const parameters = (operation.parameters || []).map((one) => this.resolve(one));
    const filled = parameters
      .filter((one) => one.in === "path")
      .reduce((at, one) => at.replace(`{${one.name}}`, one.example), path);
    const lines = [`curl -X ${method.toUpperCase()} "${location.origin}${filled}"`];
    if (operation.security.length) lines.push('-H "Authorization: Bearer $TOKEN"');
    if (parameters.some((one) => one.name === "Idempotency-Key"))
      lines.push('-H "Idempotency-Key: $(uuidgen)"');
    if (operation.requestBody) {
      const body = JSON.stringify(Object.values(operation.requestBody.content)[0].example);
      lines.push('-H "Content-Type: application/json"', `-d '${body.replaceAll("'", "'\\''")}'`);
    }
    return lines.join(" \\\n  ");
  }

  copyable(text) {
    const button = element("button", { type: "button" }, "Copy");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select it and copy by hand";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    const head = element("div", { class: "head" }, element("h3", {}, "Try it"), button);
    return [head, element("pre", { tabindex: "0" }, text)];
  }

  parameters(operation) {
    const all = (operation.parameters || []).map((one) => this.resolve(one));
    if (!all.length) return [];
    const rows = all.map((one) => {
      const [name, type, says] = this.field(one.name, one.schema, one.required, one.description);
      return [name, one.in, type, says];
    });
    return [element("h3", {}, "Parameters"), table(["Name", "In", "Type", "Meaning"], rows)];
  }

  body(operation) {
    if (!operation.requestBody) return [];
    const media = Object.entries(operation.requestBody.content);
    const [, { schema, example }] = media[0];
    return [
      element("h3", {}, `Body: ${media.map(([type]) => type).join(" or ")}`),
      ...this.fields(schema),
      this.example("Example", example),
    ];
  }

  example(title, value) {
    const text = element("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));
    return element("details", {}, element("summary", {}, title), text);
  }

  responses(operation) {
    const rows = Object.entries(operation.responses).map(([status, response]) => {
      const found = this.resolve(response);
      const [media, content] = Object.entries(found.content || {})[0] || ["", {}];
      const headers = Object.keys(found.headers || {}).join(", ");
      const examples = Object.entries(content.examples || {}).map(([name, one]) =>
        status < 400
          ? this.example(`Example: ${name}`, this.resolve(one).value)
          : element("a", { href: `/docs/problems/${name}` }, name),
      );
      const spaced = examples.flatMap((one) => [" ", one]);
      return [code(status), [found.description, ...spaced], media, headers];
    });
    const good = Object.keys(operation.responses).find((status) => status < 300);
    const content = Object.values(this.resolve(operation.responses[good]).content || {})[0];
    const schema = content && content.schema;
    return [
      element("h3", {}, "Responses"),
      table(["Status", "Meaning", "Media type", "Headers"], rows),
      ...(schema ? this.within({ anyOf: schema.anyOf || [schema] }, new Set()) : []),
    ];
  }

  roles(operation) {
    if (!operation.security.length) return element("p", { class: "quiet" }, "Needs no token.");
    const told = Object.entries(operation["x-roles"]).map(([role, scope]) =>
      element("li", {}, scope === "own" ? `${role}: what is theirs` : role),
    );
    return element("ul", { class: "roles", "aria-label": "Who may call it" }, told);
  }

  inside(method, path, operation) {
    const paragraphs = (operation.description || "").split("\n\n").slice(0, -1);
    return element(
      "div",
      { class: "inside" },
      this.roles(operation),
      ...paragraphs.map((text) => element("p", {}, prose(text))),
      ...this.parameters(operation),
      ...this.body(operation),
      ...this.copyable(this.curl(method, path, operation)),
      ...this.responses(operation),
    );
  }

  operation(method, path, operation) {
    const summary = element(
      "summary",
      {},
      element("span", { class: `method ${method}` }, method.toUpperCase()),
      element("span", { class: "path" }, path),
      element("span", { class: "says" }, prose(operation.summary || "")),
    );
    const details = element("details", { id: operation.operationId }, summary);
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1)
        details.append(this.inside(method, path, operation));
    });
    const roles = Object.keys(operation["x-roles"] || {}).join(" ");
    const words = [method, path, operation.summary, operation.description, roles];
    this.shown.push({ details, words: words.join(" ").toLowerCase() });
    return details;
  }

  group(tag) {
    const found = [];
    for (const [path, methods] of Object.entries(this.openapi.paths))
      for (const method of METHODS)
        if (methods[method] && methods[method].tags.includes(tag))
          found.push(this.operation(method, path, methods[method]));
    const heading = element("h2", { id: `tag-${tag}` }, tag);
    return element("section", { "aria-labelledby": `tag-${tag}` }, heading, ...found);
  }

  show() {
    const { info, tags } = this.openapi;
    document.getElementById("title").textContent = `${info.title} API`;
    document.getElementById("about").replaceChildren(...prose(info.description));
    const groups = tags.map(({ name }) => this.group(name));
    document.getElementById("operations").append(...groups);
    const links = groups.map((group, n) => {
      const count = element("span", { class: "quiet" }, `${group.querySelectorAll("details").length}`);
      return element("li", {}, element("a", { href: `#tag-${tags[n].name}` }, tags[n].name, count));
    });
    document.getElementById("tags").append(element("ul", {}, links));
    this.search(groups);
    const opened = () => {
      const named = document.getElementById(location.hash.slice(1));
      if (named && named.tagName === "DETAILS") named.open = true;
      if (named) named.scrollIntoView();
    };
    addEventListener("hashchange", opened);
    opened();
  }

  search(groups) {
    const field = document.getElementById("search");
    document.getElementById("search-form").addEventListener("submit", (e) => e.preventDefault());
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const { details, words } of this.shown) {
        details.hidden = !wanted.every((word) => words.includes(word));
        count += !details.hidden;
      }
      for (const group of groups) group.hidden = !group.querySelector("details:not([hidden])");
      document.getElementById("found").textContent = wanted.length ? `${count} found` : "";
    });
  }
}

fetch("/openapi.json")
  .then((answer) => {
    if (!answer.ok) throw new Error(`/openapi.json answered ${answer.status}`);
    return answer.json();
  })
  .then((openapi) => new Page(openapi).show())
  .catch((error) => {
    document.getElementById("about").textContent = `The document cannot be shown: ${error.message}`;
  });
