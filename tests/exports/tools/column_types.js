// Holds the columns of a data package against the taxonomy: column_types.js OS-TYPES DATAPACKAGE.
const fs = require('fs');
const path = require('path');
const TypeProcessor = require(path.resolve(process.argv[2]));

const descriptor = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));
for (const resource of descriptor.resources) {
  const fields = resource.schema.fields.map(({ name, columnType }) => ({ name, type: columnType }));
  const { errors, schema } = new TypeProcessor().fieldsToModel(fields);
  if (errors) {
    console.error(JSON.stringify(errors));
    process.exit(1);
  }
  for (const { name, type } of resource.schema.fields) {
    if (schema.fields[name].type !== type) {
      console.error(`${name} is ${type}, the taxonomy has ${schema.fields[name].type}`);
      process.exit(1);
    }
  }
}
