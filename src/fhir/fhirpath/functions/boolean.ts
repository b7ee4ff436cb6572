/** Spec: https://hl7.org/fhirpath/N1/#boolean-logic; `iif` and the type functions. */
import { booleanCode, emptyCode, onlyItem, truthOf, type Code } from '../code.js';
import { selfTyped } from '../distinct.js';
import { FhirPathError } from '../errors.js';
import { mixed } from '../operators.js';
import { asOperator, isOperator } from '../type-operators.js';
import { lambda } from './arguments.js';
import type { CallSite, FunctionTable } from './registry.js';

export const booleanFunctions: FunctionTable = {
  not: {
    arity: [0, 0],
    compile({ target }) {
      const value = truthOf(target);
      return booleanCode((focus, scope) => {
        const answer = value(focus, scope);
        return answer === undefined ? undefined : !answer;
      });
    },
  },
  is: {
    arity: [1, 1],
    compile: ({ compiler, call, target }) => isOperator(compiler, target, compiler.typeArgument(call), undefined),
  },
  as: {
    arity: [1, 1],
    compile: ({ compiler, call, target }) => asOperator(compiler, target, compiler.typeArgument(call, true)),
  },
  iif: { arity: [2, 3], compile: iifCode },
};

/** Only the branch that is taken is evaluated. */
function iifCode(site: CallSite): Code {
  const { compiler, call, target } = site;
  const criterion = lambda(site, 0)!;
  const mayBeBoolean = criterion.isEmpty || !criterion.type || criterion.type.system === 'Boolean';
  if (compiler.options.strict && !mayBeBoolean) {
    throw new FhirPathError('semantic', 'the criterion of iif() is no boolean', call.at);
  }
  const decide = truthOf(criterion);
  const yes = lambda(site, 1)!;
  const no = lambda(site, 2) ?? emptyCode;
  const { type, among, wraps } = mixed(yes, no);
  return {
    type,
    among,
    single: yes.single && no.single,
    run: (focus, scope) => {
      const items = target.run(focus, scope);
      const item = onlyItem(items, 'iif()');
      const branch = decide(item, scope) === true ? yes : no;
      const result = branch.run(item, scope);
      return wraps ? selfTyped(result, branch.type) : result;
    },
  };
}
