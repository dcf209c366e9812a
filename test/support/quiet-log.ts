/** Swallows everything. */
export const quietLog = {
  debug(_fields: object, _message: string): void {},
  info(_fields: object, _message: string): void {},
  warn(_fields: object, _message: string): void {},
  error(_fields: object, _message: string): void {},
};
