import { once } from "../../runtime/once.ts";
import {
  Column,
  type DriverValueDecoder,
  is,
  Param,
  Placeholder,
  type Query,
  SQL,
  sql,
} from "drizzle-orm";
import {
  type PgColumn,
  PgDatabase,
  PgDialect,
  PgPreparedQuery,
  PgSession,
  type PreparedQueryConfig,
  type SelectedFieldsOrdered,
} from "drizzle-orm/pg-core";
import type { PostgresJsQueryResultHKT } from "drizzle-orm/postgres-js";
import type { ParameterOrJSON, RowList } from "postgres";
import type { Sql } from "../connection/connection.ts";

/*
 * How Drizzle's statements run: each is built once, at its first use, with placeholders for its
 * parameters. From then on it is a constant text that runs as a prepared statement on any given
 * connection or transaction, within all bounds of the call.
 *
 * Drizzle's own sessions are not used for that. They build a statement again at each call, which
 * takes a few hundred microseconds, more than most of these statements take altogether; they
 * prepare none; they bypass the guard of a finished transaction; and their errors quote the
 * parameters.
 *
 * The texts are constants, so a connection prepares at most as many statements as there are calls
 * of `statement` and `template`. The rest of the SQL is hand-written, for `sql.unsafe`:
 * `test/store/hand-written.test.ts` lists it, with the reasons.
 */

/** A parameter of a statement, for a value of this type. */
export type Parameter<Value> = Placeholder<string, Value>;

/** The parameters of a statement, by their names. */
export type Given<Values> = { readonly [Name in keyof Values]: Parameter<Values[Name]> };

type ValuesOf<Names> = {
  readonly [Name in keyof Names]: Names[Name] extends Parameter<infer Value> ? Value : never;
};

/**
 * Runs a statement; rejects with the error from Postgres. Sent at once, without awaiting earlier
 * ones.
 */
type Statement<Names, Result> = (on: Sql, values: ValuesOf<Names>) => Promise<Result>;

/** Builds statements and runs none. */
export type Builder = PgDatabase<PostgresJsQueryResultHKT>;

/** Every statement that is built through Drizzle, for tests: their texts. */
export const BUILT_STATEMENTS = new Set<() => string>();

/**
 * A statement of Drizzle's builder. Its parameters are the names in the type of `given`; its result
 * is the builder's: rows, or a list with the `count` of changed rows where it returns none.
 * Expressions in a selection arrive as the driver gives them: cast `bigint` and `numeric` to `int`
 * or `float8`. Constants are written into the text.
 */
export function statement<Names extends object, T extends PreparedQueryConfig>(
  build: (orm: Builder, given: Names) => { prepare(name: string): PgPreparedQuery<T> },
): Statement<Names, T["execute"]> {
  const built = once(() => {
    const prepared = build(BUILDER, PLACEHOLDERS as Names).prepare("");
    if (!(prepared instanceof BuiltQuery)) throw new Error("Built by something else.");
    return prepared;
  });
  BUILT_STATEMENTS.add(() => built().getQuery().sql);
  return (on, values) => {
    const { fields } = built();
    const running = run(on, built().getQuery(), values);
    if (fields === null) return running.execute();
    return running.values().then((rows) => rows.map((row) => decoded(fields, row)));
  };
}

/** A statement that the builder can't express, as text over tables and columns. */
export function template<Names extends object, Row>(
  build: (given: Names) => SQL<Row>,
): Statement<Names, RowList<Row[]>> {
  const built = once(() => DIALECT.sqlToQuery(build(PLACEHOLDERS as Names)));
  BUILT_STATEMENTS.add(() => built().sql);
  return (on, values) => run<Row>(on, built(), values).execute();
}

/** An expression without parameters as text, for a hand-written statement. */
export function textOf(expression: SQL): string {
  return DIALECT.sqlToQuery(expression).sql;
}

/**
 * The driver prepares no statement without parameters: the server would parse and plan it each time. A
 * boolean that the text does not mention has a type of its own, so the server takes it.
 */
const UNUSED = [true];

function run<Row>(on: Sql, { sql: text, params }: Query, values: object) {
  const filled = params.map((param) => filledIn(param, values as Record<string, unknown>));
  const sent = filled.length === 0 ? UNUSED : (filled as ParameterOrJSON<never>[]);
  return on.unsafe<Row[]>(text, sent, { prepare: true });
}

/** The value of a parameter for the driver: encoded by its column; null unchanged. */
function filledIn(param: unknown, values: Readonly<Record<string, unknown>>): unknown {
  if (is(param, Param)) {
    const value = filledIn(param.value, values);
    return value === null ? null : param.encoder.mapToDriverValue(value);
  }
  if (is(param, Placeholder)) return values[param.name];
  throw new Error("A constant was not written into its statement.");
}

/** Any name leads to a placeholder; the type determines which exist. */
const PLACEHOLDERS: object = new Proxy({}, { get: (_, name) => sql.placeholder(String(name)) });

/** Compares a column with any of an array's values, in one text for any length. */
export function isAnyOf<Of extends PgColumn>(
  column: Of,
  values: Parameter<readonly Of["_"]["data"][]>,
): SQL {
  return sql`${column} = any (${arrayOf(column, values)})`;
}

/** Compares a column with a value; null matches everything. */
export function isIfGiven<Of extends PgColumn>(
  column: Of,
  value: Parameter<Of["_"]["data"] | null>,
): SQL {
  return sql`(${value}::text is null or ${column} = ${value})`;
}

/** An array of a column's type: numbers, UUIDs or plain words. */
function arrayOf<Of extends PgColumn>(
  column: Of,
  values: Parameter<readonly Of["_"]["data"][]>,
): SQL {
  return sql`${new Param(values, ARRAY)}::text::${sql.raw(column.getSQLType())}[]`;
}

const ARRAY = {
  mapToDriverValue: (values: unknown) => arrayLiteral(values as readonly (number | string)[]),
};

/** The value that an insert had for a column, in `on conflict do update`. */
export function excluded(column: PgColumn): SQL {
  return sql`excluded.${nameOf(column)}`;
}

/** The bare name of a column, where SQL accepts no table name in front of it. */
export function nameOf(column: PgColumn): SQL {
  return sql`${sql.identifier(column.name)}`;
}

/**
 * A column with its table's name, for an expression in a selection that reads another table: there
 * the builder omits the names of tables, and the column would be ambiguous.
 */
export function qualified(column: PgColumn): SQL {
  return sql`${column}`;
}

/** A parameter where only expressions are accepted, encoded as the column stores it. */
export function bound<Of extends PgColumn>(
  column: Of,
  value: Parameter<Of["_"]["data"] | null>,
): SQL {
  return sql`${new Param(value, column)}`;
}

interface Field {
  readonly name: string;
  readonly decoder: DriverValueDecoder<unknown, unknown>;
}

class BuiltQuery<T extends PreparedQueryConfig> extends PgPreparedQuery<T> {
  /** Null for a statement that returns no rows. */
  readonly fields: readonly Field[] | null;

  constructor(query: Query, fields: SelectedFieldsOrdered | undefined) {
    super(query, undefined, undefined);
    this.fields = fields === undefined ? null : fields.map(fieldOf);
  }

  execute(): Promise<never> {
    return Promise.reject(new Error("A statement runs on the connection that it is given."));
  }
}

function fieldOf({ path, field }: SelectedFieldsOrdered[number]): Field {
  const [name, ...more] = path;
  if (name === undefined || more.length > 0) throw new Error("A selection must be flat.");
  return { name, decoder: decoderOf(field) };
}

/** A column decodes its values; an expression made from one, such as `min`, uses its decoder. */
function decoderOf(field: SelectedFieldsOrdered[number]["field"]): Field["decoder"] {
  if (is(field, Column)) return field;
  const expression = is(field, SQL.Aliased) ? field.sql : field;
  if (!("decoder" in expression)) throw new Error("An expression without a decoder.");
  return expression.decoder as Field["decoder"];
}

function decoded(fields: readonly Field[], row: readonly unknown[]): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [index, { name, decoder }] of fields.entries()) {
    const value = row[index];
    result[name] = value === null ? null : decoder.mapFromDriverValue(value);
  }
  return result;
}

/** Accepts statements from the builder and runs none. */
class BuildingSession extends PgSession<PostgresJsQueryResultHKT> {
  prepareQuery<T extends PreparedQueryConfig>(
    query: Query,
    fields: SelectedFieldsOrdered | undefined,
  ): PgPreparedQuery<T> {
    return new BuiltQuery<T>(query, fields);
  }

  transaction(): Promise<never> {
    return Promise.reject(new Error("Transactions begin at the database."));
  }
}

/**
 * Writes constants into the text: the planner can't match a parameter with the condition of a partial
 * index, nor see how few rows a limit leaves.
 */
class ConstantsInText extends PgDialect {
  override sqlToQuery(query: SQL, invokeSource?: "indexes"): ReturnType<PgDialect["sqlToQuery"]> {
    return super.sqlToQuery(query.inlineParams(), invokeSource);
  }
}

const DIALECT = new ConstantsInText();
const BUILDER: Builder = new PgDatabase(DIALECT, new BuildingSession(DIALECT), undefined);

/** Applies to the rest of the transaction: its writes are lost if the server crashes at once. */
export const WITHOUT_WAITING_FOR_THE_DISK = template(() => sql`set local synchronous_commit = off`);

/**
 * A Postgres array literal of values that need no quoting: numbers, UUIDs, plain words. Sent as one text
 * parameter and cast, `$1::text::uuid[]`, which spares the driver from guessing element types.
 */
export function arrayLiteral(values: readonly (number | string)[]): string {
  return `{${values.join(",")}}`;
}

/** An array literal of texts. */
export function textArrayLiteral(texts: readonly string[]): string {
  return arrayLiteral(texts.map((text) => `"${text.replace(/["\\\\]/g, "\\$&")}"`));
}
