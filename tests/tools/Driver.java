import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main classes of Apache Kafka's tools one after the other, or side by side, in one JVM: a start of a JVM for each
 * takes a second.
 *
 * Each line of standard input is one invocation, its fields parted by U+001F: a number, seconds until it is given up, files
 * for its standard input (empty: none), output and error, the class, and the arguments. Each gets a line of standard output:
 * the number and the exit code, or `late`.
 *
 * A tool's threads inherit its streams. What a tool does after it said that it exits has no effect: it prints nowhere, and its
 * threads are interrupted.
 */
@SuppressWarnings("removal")
public final class Driver {
    private static final InheritableThreadLocal<Invocation> CURRENT = new InheritableThreadLocal<>();
    /** Set in the threads of shutdown hooks, which print after the end. */
    private static final InheritableThreadLocal<Boolean> IN_HOOK = new InheritableThreadLocal<>();
    private static final PrintStream ANSWERS = System.out;
    private static final PrintStream TROUBLE = System.err;
    /** The jar of the tools. */
    private static final URL TOOLS =
            org.apache.kafka.tools.TopicCommand.class.getProtectionDomain().getCodeSource().getLocation();

    public static void main(String[] lines) throws IOException {
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        System.setIn(new Input());
        System.setOut(new PrintStream(new Output(false), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new Output(true), true, StandardCharsets.UTF_8));
        System.setSecurityManager(new Doorkeeper());
        Exit.setExitProcedure((code, message) -> CURRENT.get().exit(code));
        Exit.setHaltProcedure((code, message) -> CURRENT.get().exit(code));
        Exit.setShutdownHookAdder((name, hook) -> CURRENT.get().hooks.add(hook));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            Invocation invocation = new Invocation(line.split("\u001f", -1));
            Thread supervisor = new Thread(invocation::supervise);
            supervisor.setUncaughtExceptionHandler((thread, error) -> error.printStackTrace(TROUBLE));
            supervisor.start();
        }
        Runtime.getRuntime().halt(0);
    }

    /** Thrown where a tool would end the process. */
    private static final class Exited extends Error {
        Exited() {
            super("exited", null, false, false);
        }
    }

    private static final class Invocation {
        final List<Runnable> hooks = new ArrayList<>();
        final String number;
        final long seconds;
        final InputStream in;
        final OutputStream out;
        final OutputStream err;
        final String main;
        final String[] arguments;
        final CountDownLatch ended = new CountDownLatch(1);
        /** Whether the tool has ended, and only its hooks are heard. */
        volatile boolean silent;
        /** Whether the hooks have ended too. */
        volatile boolean over;
        volatile int code;

        Invocation(String[] fields) throws IOException {
            number = fields[0];
            seconds = Long.parseLong(fields[1]);
            in = fields[2].isEmpty() ? new ByteArrayInputStream(new byte[0]) : Files.newInputStream(Path.of(fields[2]));
            out = Files.newOutputStream(Path.of(fields[3]));
            err = Files.newOutputStream(Path.of(fields[4]));
            main = fields[5];
            arguments = Arrays.copyOfRange(fields, 6, fields.length);
        }

        void supervise() {
            ThreadGroup threads = new ThreadGroup(number);
            Thread tool = new Thread(threads, this::run, "main");
            tool.start();
            boolean inTime = false;
            try {
                inTime = ended.await(seconds, TimeUnit.SECONDS);
                takeHooks(threads);
                // As at the end of a process: hooks may still print, then all is over.
                for (Runnable hook : hooks) {
                    Thread thread = new Thread(threads, () -> {
                        CURRENT.set(this);
                        IN_HOOK.set(true);
                        hook.run();
                    });
                    thread.start();
                    thread.join(5_000);
                }
            } catch (InterruptedException error) {
                throw new IllegalStateException(error);
            }
            silent = true;
            over = true;
            threads.interrupt();
            synchronized (ANSWERS) {
                ANSWERS.println(number + " " + (inTime ? code : "late"));
            }
        }

        /** Of the hooks that were given to the JVM those of this tool's threads. */
        void takeHooks(ThreadGroup threads) {
            try {
                Map<Thread, Thread> all = hooksOfTheJvm();
                synchronized (all) {
                    List<Thread> mine = new ArrayList<>(all.keySet());
                    mine.removeIf(hook -> hook.getThreadGroup() != threads);
                    mine.forEach(all::remove);
                    hooks.addAll(mine);
                }
            } catch (ReflectiveOperationException error) {
                throw new IllegalStateException(error);
            }
        }

        void run() {
            CURRENT.set(this);
            try {
                ClassLoader fresh = new Fresh();
                Thread.currentThread().setContextClassLoader(fresh);
                fresh.loadClass(main).getMethod("main", String[].class).invoke(null, (Object) arguments);
            } catch (InvocationTargetException error) {
                if (ended.getCount() > 0) {
                    System.err.print("Exception in thread \"main\" ");
                    error.getCause().printStackTrace();
                    code = 1;
                }
            } catch (ReflectiveOperationException error) {
                error.printStackTrace();
                code = 126;
            }
            ended.countDown();
        }

        /** The first exit counts; whoever catches its exception and exits again is not heard. */
        synchronized void exit(int status) {
            if (ended.getCount() > 0) {
                code = status;
                silent = true;
                ended.countDown();
            }
            throw new Exited();
        }
    }

    /** Loads the tools' own classes anew for each invocation: some of them count in static fields. */
    private static final class Fresh extends URLClassLoader {
        Fresh() {
            super(new URL[] {TOOLS}, Driver.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (name.startsWith("org.apache.kafka.tools.") && findResource(name.replace('.', '/') + ".class") != null) {
                synchronized (getClassLoadingLock(name)) {
                    Class<?> loaded = findLoadedClass(name);
                    return loaded == null ? findClass(name) : loaded;
                }
            }
            return super.loadClass(name, resolve);
        }
    }

    /** Few tools end the process without asking {@link Exit}. */
    private static final class Doorkeeper extends SecurityManager {
        @Override
        public void checkExit(int status) {
            Invocation invocation = CURRENT.get();
            if (invocation != null) {
                invocation.exit(status);
            }
        }

        @Override
        public void checkPermission(java.security.Permission permission) {}

        @Override
        public void checkPermission(java.security.Permission permission, Object context) {}
    }

    /** Takes over the hooks that tools gave to the JVM itself. */
    private static Map<Thread, Thread> hooksOfTheJvm() throws ReflectiveOperationException {
        Field hooks = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
        hooks.setAccessible(true);
        @SuppressWarnings("unchecked")
        Map<Thread, Thread> map = (Map<Thread, Thread>) hooks.get(null);
        return map;
    }

    private static final class Input extends InputStream {
        @Override
        public int read() throws IOException {
            return CURRENT.get().in.read();
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            return CURRENT.get().in.read(bytes, offset, length);
        }

        @Override
        public int available() throws IOException {
            return CURRENT.get().in.available();
        }
    }

    private static final class Output extends OutputStream {
        private final boolean isError;

        Output(boolean isError) {
            this.isError = isError;
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            Invocation invocation = CURRENT.get();
            boolean heard = invocation != null && !invocation.over && (!invocation.silent || IN_HOOK.get() != null);
            if (heard) {
                (isError ? invocation.err : invocation.out).write(bytes, offset, length);
            }
        }
    }
}
