/* JSON Schema, as OpenAPI and AsyncAPI use it, in words. */

/** What a `$ref` refers to in this description; anything else as it is. */
export function byReference(description, value) {
  if (!value?.$ref) return value;
  const path = value.$ref.slice(2).split('/');
  return path.reduce((at, name) => at[name], description);
}

/* Names of what is referred to are links to nowhere for people, but say what it is. */
function nameOf(reference) {
  return reference.split('/').pop();
}

function range(schema) {
  const { minimum: min, maximum: max } = schema;
  if (min === undefined && max === undefined) return '';
  return max === undefined ? `, from ${min}` : `, ${min ?? ''} to ${max}`;
}

function sizes(schema) {
  const most = schema.maxLength ?? schema.maxItems ?? schema['x-maxBytes'];
  return most === undefined ? '' : `, at most ${most}`;
}

/** The type of a value, with its limits. */
export function typeOf(description, schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.allOf) return typeOf(description, schema.allOf[0]);
  const choices = schema.anyOf || schema.oneOf;
  if (choices) return choices.map((one) => typeOf(description, one)).join(' or ');
  if (schema.enum) return schema.enum.join(', ');
  if ('const' in schema) return String(schema.const);
  if (schema.type === 'array') return `array of ${schema.items ? typeOf(description, schema.items) : 'anything'}${sizes(schema)}`;
  return `${schema.type}${range(schema)}${sizes(schema)}`;
}

/** The fields of an object: {name, required, schema, text}. */
export function fieldsOf(description, schema) {
  const whole = byReference(description, schema);
  if (whole.allOf) return whole.allOf.flatMap((part) => fieldsOf(description, part));
  if (whole.oneOf) return fieldsOf(description, whole.oneOf[0]);
  return Object.entries(whole.properties || {}).map(([name, field]) =>
    ({ name, required: (whole.required || []).includes(name), schema: field, text: field.description || '' }));
}
