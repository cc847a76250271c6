// Shows /openapi.json. Everything is put in as text, never as markup.
"use strict";

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function table(headings, rows) {
  const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((row) => element("tr", {}, ...row.map((text) => element("td", {}, String(text)))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

function kindOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(kindOf).join(" | ");
  if (schema.type === "array") return "[" + kindOf(schema.items) + "]";
  return schema.format || schema.type || "any";
}

function fieldsOf(description, schema) {
  const named = schema.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : schema;
  const required = named.required || [];
  return Object.entries(named.properties || {}).map(([name, part]) => [
    name + (required.includes(name) ? "" : "?"), kindOf(part), part.description || "",
  ]);
}

function curl(method, path, operation) {
  const words = ["curl"];
  if (operation.security) words.push('-H "Authorization: Bearer $MOATDNS_TOKEN"');
  if (method !== "get") words.push("-X " + method.toUpperCase());
  if (operation.requestBody) words.push("-H 'Content-Type: application/json' -d '{…}'");
  words.push(location.origin + path);
  return words.join(" ");
}

function show(description, method, path, operation) {
  const title = element("summary", {},
    element("span", { class: "method" }, method.toUpperCase()), element("span", { class: "path" }, path), " ",
    operation.summary);
  const box = element("details", {}, title);
  box.dataset.text = (method + " " + path + " " + operation.summary).toLowerCase();
  if (operation.description) box.append(element("p", {}, operation.description));
  box.append(element("pre", {}, curl(method, path, operation)));
  if (operation.parameters.length) {
    box.append(element("h4", {}, "Parameters"), table(["name", "in", "type", ""], operation.parameters.map((one) => [
      one.name + (one.required ? "" : "?"), one.in, kindOf(one.schema), one.schema.description || "",
    ])));
  }
  const json = (content) => content && content["application/json"];
  if (operation.requestBody) {
    const schema = json(operation.requestBody.content).schema;
    box.append(element("h4", {}, "Body"), table(["field", "type", ""], fieldsOf(description, schema)));
  }
  box.append(element("h4", {}, "Replies"));
  for (const [status, reply] of Object.entries(operation.responses)) {
    const body = json(reply.content);
    box.append(element("p", {}, element("strong", {}, status), " ", reply.description));
    if (body && status < "300") box.append(table(["field", "type", ""], fieldsOf(description, body.schema)));
  }
  return box;
}

async function main() {
  const description = await (await fetch("/openapi.json")).json();
  document.getElementById("about").textContent = description.info.description + " Version " + description.info.version;
  const operations = document.getElementById("operations");
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      operations.append(show(description, method, path, operation));
    }
  }
  document.getElementById("search").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const box of operations.children) box.classList.toggle("hidden", !box.dataset.text.includes(wanted));
  });
}

main().catch((error) => { document.getElementById("about").textContent = "Cannot read the description: " + error; });
