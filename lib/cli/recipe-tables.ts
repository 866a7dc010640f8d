import type { AutoscaleData } from '../report/autoscale-data.ts';
import type { BaseData } from '../recipe/method.ts';
import type { AnyRecipe, MethodName } from '../recipe/methods.ts';
import type { ReportData } from '../report/data.ts';
import { formatAutoscale } from './autoscale-table.ts';
import type { MecoData } from '../report/meco-data.ts';
import { formatMeco } from './meco-table.ts';
import { formatRun } from './run-table.ts';

/** The result of a run for a terminal, by the recipe's method. */
const TABLES: Record<MethodName, (data: BaseData) => string> = {
  plans: (data) => formatRun(data as ReportData),
  autoscale: (data) => formatAutoscale(data as AutoscaleData),
  meco: (data) => formatMeco(data as MecoData),
};

/** The result of a run of any method for a terminal. */
export const formatData = (data: BaseData, { method }: Pick<AnyRecipe, 'method'>): string => TABLES[method](data);
