// Renders /v1/openapi.json. Text only ever enters the page as text nodes.
"use strict";

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Paragraphs, **strong** and `code`: all that the descriptions use.
function prose(text) {
  const box = element("div");
  for (const paragraph of (text || "").split("\n\n").filter(Boolean)) {
    const node = element("p");
    for (const part of paragraph.split(/(`[^`]+`|\*\*[^*]+\*\*)/)) {
      if (part.startsWith("`")) node.append(element("code", {}, part.slice(1, -1)));
      else if (part.startsWith("**")) node.append(element("strong", {}, part.slice(2, -2)));
      else node.append(part);
    }
    box.append(node);
  }
  return box;
}

function schemaName(schema) {
  return schema && schema.$ref ? schema.$ref.split("/").pop() : null;
}

function typeOf(schema) {
  if (!schema || schema === true) return "any";
  const name = schemaName(schema);
  if (name) return element("a", { href: "#schema-" + name }, name);
  if (schema.anyOf || schema.oneOf) {
    const parts = (schema.anyOf || schema.oneOf).flatMap((one, index) => [index ? " or " : "", typeOf(one)]);
    return element("span", {}, ...parts);
  }
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return element("span", {}, "list of ", typeOf(schema.items));
  const type = [].concat(schema.type || "any").join(" or ");
  return schema.format ? type + " (" + schema.format + ")" : type;
}

function table(rows) {
  const body = element("tbody");
  for (const [name, type, required, text] of rows) {
    body.append(element("tr", {},
      element("td", {}, element("code", {}, name)), element("td", {}, type),
      element("td", {}, required ? "required" : ""), element("td", {}, prose(text))));
  }
  return element("table", {}, body);
}

function properties(schema) {
  const required = new Set(schema.required || []);
  return Object.entries(schema.properties || {})
    .map(([name, one]) => [name, typeOf(one), required.has(name), one.description]);
}

function operation(path, verb, route) {
  const node = element("section", { id: route.operationId, "data-find": (route.operationId + path + route.summary).toLowerCase() },
    element("h3", {}, element("span", { class: "verb" }, verb.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, route.summary), prose(route.description),
    element("p", {}, "For: ", route["x-envoi-roles"].join(", ")));
  const parameters = route.parameters.map((one) => [one.name + " (" + one.in + ")", typeOf(one.schema), one.required, one.description]);
  if (parameters.length) node.append(element("h4", {}, "Parameters"), table(parameters));
  const content = (holder) => holder && holder.content && Object.values(holder.content)[0].schema;
  if (route.requestBody) node.append(element("h4", {}, "Body"), element("p", {}, typeOf(content(route.requestBody))));
  node.append(element("h4", {}, "Answers"));
  for (const [status, answer] of Object.entries(route.responses)) {
    const schema = content(answer);
    node.append(element("div", {}, element("strong", {}, status), " ", schema ? typeOf(schema) : "", prose(answer.description)));
  }
  return node;
}

function render(api) {
  const content = document.getElementById("content");
  const index = document.getElementById("index");
  content.replaceChildren(element("h1", {}, api.info.title + " " + api.info.version), prose(api.info.description));
  const tags = new Map();
  for (const [path, verbs] of Object.entries(api.paths)) {
    for (const [verb, route] of Object.entries(verbs)) {
      if (!tags.has(route.tags[0])) tags.set(route.tags[0], []);
      tags.get(route.tags[0]).push([path, verb, route]);
    }
  }
  for (const [tag, routes] of tags) {
    content.append(element("h2", {}, tag));
    index.append(element("h2", {}, tag));
    for (const [path, verb, route] of routes) {
      content.append(operation(path, verb, route));
      index.append(element("a", { href: "#" + route.operationId }, route.operationId));
    }
  }
  content.append(element("h2", {}, "Schemas"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const node = element("section", { id: "schema-" + name }, element("h3", {}, name), prose(schema.description));
    node.append(schema.properties ? table(properties(schema)) : element("p", {}, typeOf(schema)));
    content.append(node);
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

document.getElementById("find").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase();
  for (const node of document.querySelectorAll("[data-find]")) node.hidden = !node.dataset.find.includes(words);
});

fetch("/v1/openapi.json")
  .then((answer) => answer.json())
  .then(render)
  .catch((error) => document.getElementById("content").replaceChildren("The documentation cannot be loaded: " + error));
