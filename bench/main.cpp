#include <fmt/format.h>
#include <cstdio>
#include <algorithm>
#include "configurations.hpp"
#include "subject.hpp"
using namespace memtrace; using namespace memtrace::bench;
int main(){
  auto cal=calibrate(); if(!cal){ fmt::print("{}\n",cal.error().what); return 1;}
  struct R{double none=1e9,floor=1e9,one=1e9,sixteen=1e9,leak=1e9;} r;
  { Subject s({"build/bench-pairs"});
  auto best=[&](double&b,const char*l){ for(int i=0;i<3;i++) b=std::min(b,s.run(l)); };
  for(int round=0;round<3;round++){
    best(r.none,"200000 20");
    {auto a=attach_floor(s.pid(),*cal); if(!a) return fmt::print("{}\n",a.error().what),1; best(r.floor,"200000 20");}
    {auto a=attach_tracer(s.pid(),*cal,1); if(!a) return fmt::print("{}\n",a.error().what),1;best(r.one,"200000 20");}
    {auto a=attach_tracer(s.pid(),*cal,16);if(!a) return fmt::print("{}\n",a.error().what),1; best(r.sixteen,"200000 20");}
    {auto a=attach_memleak(s.pid(),*cal);if(!a) return fmt::print("{}\n",a.error().what),1; best(r.leak,"20000 20");}
  }
  fmt::print("none {} floor {} one {} sixteen {} memleak {}\n  one/floor {:.3f} 16/floor {:.3f} one/memleak {:.3f}\n",r.none,r.floor,r.one,r.sixteen,r.leak,(r.one-r.none)/(r.floor-r.none),(r.sixteen-r.none)/(r.floor-r.none),(r.one-r.none)/(r.leak-r.none));}
  { Subject s({"/usr/bin/python3.11","bench/workloads/churn.py"}); double none=1e9,fl=1e9,one=1e9; 
   for(int round=0;round<2;round++){ for(int i=0;i<2;i++) none=std::min(none,s.run("x")); {auto a=attach_floor(s.pid(),*cal); if(!a) return fmt::print("{}\n",a.error().what),1; fl=std::min(fl,s.run("x"));} {auto a=attach_tracer(s.pid(),*cal,1); one=std::min(one,s.run("x"));}}
   fmt::print("python none {} floor {} one {} ratio {:.3f}\n",none,fl,one,(one-none)/(fl-none)); }
}
