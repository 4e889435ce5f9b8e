const CONTRACT = /^lazaret:filter\/([a-z-]+)@/;

export async function resolve(specifier, context, next) {
  const permission = CONTRACT.exec(specifier)?.[1];
  return permission ? next(new URL(`./permissions/${permission}.js`, import.meta.url).href, context) : next(specifier, context);
}
